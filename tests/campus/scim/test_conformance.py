"""scim2-tester asks what the RFCs say, of everything the hub announces; and what it announces is what it can do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scim2_client import BaseSyncSCIMClient
from scim2_models import ResourceType, ScimProvider
from scim2_tester import Status, check_server

from campus.scim.model import EnterpriseUser, Group, User
from campus.scim.settings import ScimSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.campus.scim.conftest import Scim

pytestmark = pytest.mark.asyncio


class Client(BaseSyncSCIMClient):
    """A client in a thread of its own, of a hub in the loop."""

    def __init__(self, scim: Scim, loop: asyncio.AbstractEventLoop, **more: Any) -> None:
        super().__init__(**more)
        self._scim = scim
        self._loop = loop

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return not endpoint.startswith("http") or endpoint.startswith("http://hub/scim/v2/")

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._scim.client.request(method, url, **more), self._loop).result()


async def test_what_is_announced_describes_itself(scim: Scim) -> None:
    client = Client(scim, asyncio.get_running_loop())
    found = await asyncio.to_thread(check_server, client, include_tags={"discovery", "misc"})
    assert len(found) > 10
    assert {one.status for one in found} <= {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED}, found
    assert {one.name for one in client.provider.resource_types} == {"User", "Group"}


async def test_users_and_groups_behave_as_the_rfcs_say(make_scim: Callable[[ScimSettings], Scim]) -> None:
    scim = make_scim(ScimSettings(id="userName", removals=1000))  # the tester erases whom it made
    # Without our own extension: the tester knows no card's number, and makes up what it writes.
    types = [ResourceType.from_resource(User[EnterpriseUser]), ResourceType.from_resource(Group)]
    provider = ScimProvider(models=[User, EnterpriseUser, Group], resource_types=types)
    client = Client(scim, asyncio.get_running_loop(), provider=provider)
    found = await asyncio.to_thread(check_server, client)
    wrong = [f"{one.title}: {one.status}: {one.reason}" for one in found if one.status not in GOOD]
    # Somebody is active or not; who is removed from that is as before, which RFC 7643, 4.1.1 leaves to us.
    wrong.remove("check_remove_attribute: Status.ERROR: Attribute 'active' was not removed")
    assert not wrong, "\n".join(wrong)
    done = {one.title for one in found if one.status is not Status.SKIPPED}
    assert len(done) > 15, done


GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED}

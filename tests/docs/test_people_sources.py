"""What docs/people-sources.md tells people to write is accepted, and its figures and words are the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from campus.auth.roles import Role
from campus.cli.main import main
from campus.config import HubConfig, load
from campus.people.ldap import LdapSettings
from campus.scim.model import MOST_RESULTS, GateUser
from campus.scim.settings import ScimSettings

PAGE = (Path(__file__).parents[2] / "docs" / "people-sources.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def read(block: str, tmp_path: Path) -> HubConfig:
    path = tmp_path / "hub.toml"
    path.write_text(f'campus = "school"\ndatabase = "x"\n{block}', encoding="utf-8")
    return load(path)


def test_the_settings_of_the_page_are_read(tmp_path: Path) -> None:
    microsoft, freeipa, scim, guard = (read(block, tmp_path).people for block in BLOCKS)
    assert microsoft.ldap is not None
    defaults = LdapSettings(url="", base="")
    assert (microsoft.ldap.filter, microsoft.ldap.id) == (defaults.filter, defaults.id)
    assert microsoft.ldap.groups == {"SG-Pupils": "pupils", "SG-Teachers": "staff"}
    assert freeipa.ldap is not None
    assert scim.scim == ScimSettings(groups={"SG-Pupils": "pupils"}, kinds={"Employee": "staff"})
    assert guard.scim == ScimSettings(), "what stands there are the defaults"


def test_the_words_of_the_page_are_those_of_the_program() -> None:
    assert str(GateUser.__schema__) in PAGE
    for attribute in ("kind", "cards", "validFrom", "validUntil"):
        assert re.sub(r"([A-Z])", r"_\1", attribute).lower() in GateUser.model_fields
        assert f"`{attribute}`" in PAGE
    assert f"pages of up to {MOST_RESULTS}" in PAGE
    assert f"--role {Role.PROVISIONING}" in PAGE
    for name in ("name", "kind_attribute", "valid_until"):
        assert f"`{name}` (`{getattr(LdapSettings(url='', base=''), name)}`)" in PAGE


@pytest.mark.parametrize("command", sorted(set(re.findall(r"^thermogate-hub ([^\n]*)", PAGE, re.MULTILINE))))
def test_the_commands_of_the_page_are_parsed(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tmp_path / word) if word == "hub.toml" else word.strip('"') for word in command.split()]
    assert main(words) == 1, "there is no such hub.toml here"
    assert "hub.toml: cannot be read" in capsys.readouterr().err

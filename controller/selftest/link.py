"""What the link to the campus needs on disk: its certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.link.certificates import Files, exposed, look
from controller.selftest.finding import Finding

if TYPE_CHECKING:
    from controller.config import Config

RENEW = "renew it; a running gate takes up the new files by itself"


def certificates(config: Config, now: float | None) -> list[Finding]:
    """Look at each set of files. `now`: Unix seconds; None: the board does not know."""
    found = []
    if config.link is not None and config.link.tls is not None:
        tls = config.link.tls
        found.append(_finding("link certificate", Files("[link.tls]", tls.ca, tls.cert, tls.key), now, tls.warn_days))
    if config.roster is not None and config.roster.ca is not None:
        found.append(_finding("hub's authority", Files("[roster]", config.roster.ca), now))
    return found


def _finding(name: str, files: Files, now: float | None, *warn_days: float) -> Finding:
    checked = look(files, now, *warn_days)
    figures = {} if now is None else {f"{what}_days": round(days, 1) for what, days in checked.days(now).items()}
    if checked.fault:
        return Finding(name, ok=False, text=checked.fault, fix="" if checked.unusable else RENEW, figures=figures)
    open_to = exposed(files)
    if open_to is not None:
        return Finding(
            name,
            ok=False,
            text=f"others may read the private key in {open_to}",
            fix=f"chmod o-rwx {open_to}",
            severity="warning",
            figures=figures,
        )
    if checked.ends:
        return Finding(name, ok=False, text=checked.ends, fix=RENEW, severity="warning", figures=figures)
    told = ", ".join(f"{what.removesuffix('_days')} for {days:.0f} days" for what, days in figures.items())
    return Finding(name, ok=True, text=told or "in order; how long is not known without a clock", figures=figures)

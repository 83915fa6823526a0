"""What came of work on a whole cache."""

from __future__ import annotations

from dataclasses import dataclass

from fleche.digest import Digest
from fleche.storage.checking import Finding

__all__ = ["CheckReport", "Report", "TransferReport"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of work on a whole cache.

    Attributes:
        seconds: How long it took.
    """

    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and nothing is wrong."""
        return True


@dataclass(frozen=True, kw_only=True)
class TransferReport(Report):
    """What a transfer did.

    Attributes:
        moved: How many records were filed in the other cache, with their values.
        there: How many were there already.
        failed: The key and the reason of each record that was not transferred.
        left_out: The digest and the reason of each argument that was not, though its record was.
        bytes: How many bytes of values were handed over.
    """

    moved: int = 0
    there: int = 0
    failed: tuple[tuple[Digest, str], ...] = ()
    left_out: tuple[tuple[Digest, str], ...] = ()
    bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether no record failed."""
        return not self.failed

    def __str__(self) -> str:
        return f"{self.moved} moved, {self.there} already there, {len(self.failed)} failed, {self.bytes} bytes"


@dataclass(frozen=True, kw_only=True)
class CheckReport(Report):
    """What `BaseCache.verify` or `BaseCache.repair` found.

    Attributes:
        findings: What is wrong; each says what was done about it.
    """

    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that was not mended."""
        return all(finding.mended for finding in self.findings)

    def __str__(self) -> str:
        if not self.findings:
            return "nothing is wrong"
        return "\n".join(
            f"{finding.fault} {finding.what} {finding.digest[:12]}: {finding.message}"
            + (f" ({finding.mended})" if finding.mended else "")
            for finding in self.findings
        )

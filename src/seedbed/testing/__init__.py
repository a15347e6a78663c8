"""The contract that every engine keeps, as a test suite to subclass.

::

    from seedbed.testing import EngineContract, ResetContract

    class TestMyEngine(EngineContract):
        @pytest.fixture
        def harness(self) -> MyHarness: ...

`Harness` says what a test of an engine has to bring: texts in the engine's language, and a few looks and pokes
at its server from outside. What only some engines can do is a contract of its own: `ResetContract`,
`SchemaContract`, `UnlockContract`, `ExpiryContract`, `AtomicLoadContract`, `BulkLoadContract`, `ScriptContract`,
`TroubleContract`, `SilenceContract`, `IdsContract`, `PresenceContract`,
`QueryContract`, `OneOwnerContract`, `PlaceContract`, `VerifiedContract`, `LoginsContract`,
`SharingContract`, `SnapshotContract`, `UsageContract`.
pytest is imported when one of the contracts is asked for, not before: the runner that the suite starts and kills
lives here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedbed.testing.harness import (
    Harness,
    Hold,
    LoginsHarness,
    ScriptHarness,
    SharingHarness,
    SnapshotsHarness,
    TroubleHarness,
    UsageHarness,
)

if TYPE_CHECKING:
    from seedbed.testing.bench import Bench
    from seedbed.testing.contracts import (
        ApplyContract,
        AtomicLoadContract,
        BulkLoadContract,
        EngineContract,
        ExpiryContract,
        HistoryContract,
        HonestyContract,
        IdsContract,
        LeaseContract,
        LoadContract,
        LoginsContract,
        LossContract,
        OneOwnerContract,
        PlaceContract,
        PresenceContract,
        QueryContract,
        RecalledContract,
        ResetContract,
        ResumeContract,
        SchemaContract,
        ScriptContract,
        SeedContract,
        SharingContract,
        SilenceContract,
        SnapshotContract,
        TroubleContract,
        UnlockContract,
        UnmigratedContract,
        UsageContract,
        VerifiedContract,
    )

__all__ = [
    "ApplyContract",
    "AtomicLoadContract",
    "Bench",
    "BulkLoadContract",
    "EngineContract",
    "ExpiryContract",
    "Harness",
    "HistoryContract",
    "Hold",
    "HonestyContract",
    "IdsContract",
    "LeaseContract",
    "LoadContract",
    "LoginsContract",
    "LoginsHarness",
    "LossContract",
    "OneOwnerContract",
    "PlaceContract",
    "PresenceContract",
    "QueryContract",
    "RecalledContract",
    "ResetContract",
    "ResumeContract",
    "SchemaContract",
    "ScriptContract",
    "ScriptHarness",
    "SeedContract",
    "SharingContract",
    "SharingHarness",
    "SilenceContract",
    "SnapshotContract",
    "SnapshotsHarness",
    "TroubleContract",
    "TroubleHarness",
    "UnlockContract",
    "UnmigratedContract",
    "UsageContract",
    "UsageHarness",
    "VerifiedContract",
]


def __getattr__(name: str) -> Any:
    """Return a contract, importing pytest with it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Bench":
        from seedbed.testing.bench import Bench

        return Bench
    from seedbed.testing import contracts

    return getattr(contracts, name)

"""The promises of `engines.base`, checked. Every test is a sentence; none of them knows which engine it tests."""

from __future__ import annotations

from seedbed.testing.contracts.apply import ApplyContract
from seedbed.testing.contracts.engine import EngineContract
from seedbed.testing.contracts.expiry import ExpiryContract
from seedbed.testing.contracts.history import HistoryContract
from seedbed.testing.contracts.honesty import HonestyContract, TroubleContract
from seedbed.testing.contracts.ids import IdsContract
from seedbed.testing.contracts.lease import LeaseContract, OneOwnerContract
from seedbed.testing.contracts.load import BulkLoadContract, LoadContract
from seedbed.testing.contracts.logins import LoginsContract
from seedbed.testing.contracts.optional import (
    AtomicLoadContract,
    LossContract,
    ResetContract,
    SchemaContract,
    ScriptContract,
    UnlockContract,
)
from seedbed.testing.contracts.places import PlaceContract
from seedbed.testing.contracts.presence import PresenceContract
from seedbed.testing.contracts.queries import QueryContract
from seedbed.testing.contracts.recalled import RecalledContract
from seedbed.testing.contracts.resume import ResumeContract
from seedbed.testing.contracts.seeds import SeedContract
from seedbed.testing.contracts.sharing import SharingContract
from seedbed.testing.contracts.silence import SilenceContract
from seedbed.testing.contracts.snapshots import SnapshotContract
from seedbed.testing.contracts.unmigrated import UnmigratedContract
from seedbed.testing.contracts.usage import UsageContract
from seedbed.testing.contracts.verified import VerifiedContract

__all__ = [
    "ApplyContract",
    "AtomicLoadContract",
    "BulkLoadContract",
    "EngineContract",
    "ExpiryContract",
    "HistoryContract",
    "HonestyContract",
    "IdsContract",
    "LeaseContract",
    "LoadContract",
    "LoginsContract",
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
    "SeedContract",
    "SharingContract",
    "SilenceContract",
    "SnapshotContract",
    "TroubleContract",
    "UnlockContract",
    "UnmigratedContract",
    "UsageContract",
    "VerifiedContract",
]

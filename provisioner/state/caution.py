"""What unattended runs are careful about, in SQL: leaves that were worked with, and back-offs."""

from datetime import datetime

from sqlalchemy import delete, select, update

from provisioner.model.intent import Backoff
from provisioner.state import tables
from provisioner.state.records import Transactions, moment, stamp, upsert


class SqlLeaves:
    """Implements ``ports.Leaves``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def meet(self, sha256: str, at: datetime) -> None:
        """Record that this state works with a leaf."""
        values = {"sha256": sha256, "met": stamp(at), "distrusted": False}
        with self._database.writing() as connection:
            connection.execute(upsert(tables.leaves, values, "sha256", only=("sha256",)))

    def knows(self, sha256_begin: str) -> bool:
        """Tell whether this state has worked with a leaf whose SHA-256 begins so."""
        column = tables.leaves.c.sha256
        with self._database.reading() as connection:
            query = select(column).where(column.startswith(sha256_begin, autoescape=True)).limit(1)
            return connection.execute(query).first() is not None

    def distrust(self, sha256: str, at: datetime) -> None:
        """Record that an endpoint was taken back from a leaf."""
        values = {"sha256": sha256, "met": stamp(at), "distrusted": True}
        with self._database.writing() as connection:
            connection.execute(upsert(tables.leaves, values, "sha256", only=("distrusted",)))

    def trust(self, sha256: str) -> None:
        """Record that a leaf was verified on an endpoint."""
        with self._database.writing() as connection:
            connection.execute(update(tables.leaves).where(tables.leaves.c.sha256 == sha256).values(distrusted=False))

    def distrusted(self, sha256: str) -> bool:
        """Tell whether an endpoint was taken back from a leaf that was not verified since."""
        query = select(tables.leaves.c.distrusted).where(tables.leaves.c.sha256 == sha256)
        with self._database.reading() as connection:
            return bool(connection.execute(query).scalar())


class SqlBackoffs:
    """Implements ``ports.Backoffs``."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def get(self, instance: str) -> Backoff | None:
        """Return the back-off of an instance."""
        with self._database.reading() as connection:
            query = select(tables.backoffs).where(tables.backoffs.c.instance == instance)
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Backoff(row["instance"], row["failures"], moment(row["until"]), row["reason"], row["specification"])

    def put(self, backoff: Backoff) -> None:
        """Place or replace the back-off of an instance."""
        values = {
            "instance": backoff.instance,
            "failures": backoff.failures,
            "until": stamp(backoff.until),
            "reason": backoff.reason,
            "specification": backoff.specification,
        }
        with self._database.writing() as connection:
            connection.execute(upsert(tables.backoffs, values, "instance"))

    def clear(self, instance: str) -> None:
        """Lift the back-off; nothing happens when there is none."""
        with self._database.writing() as connection:
            connection.execute(delete(tables.backoffs).where(tables.backoffs.c.instance == instance))

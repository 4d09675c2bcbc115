"""The tables. Nothing secret is ever in them: no key, no password, no URL."""

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 3

metadata = MetaData()

# Columns that a version of the schema added to tables that were there; new tables are made from their definitions.
ADDED_COLUMNS = {
    2: (
        "ALTER TABLE intents ADD COLUMN clients TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE intents ADD COLUMN instance_id VARCHAR NOT NULL DEFAULT ''",
        "ALTER TABLE intents ADD COLUMN target_domains TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE intents ADD COLUMN previous_domains TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE endpoints ADD COLUMN domains TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE endpoints ADD COLUMN previous_domains TEXT NOT NULL DEFAULT '[]'",
    ),
    3: ("ALTER TABLE intents ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]'",),
}

intents = Table(
    "intents",
    metadata,
    Column("instance", String, primary_key=True),
    Column("run", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target_mode", String, nullable=False),
    Column("target_leaf", String),
    Column("target_identifier", String),
    Column("previous_mode", String),
    Column("previous_leaf", String),
    Column("previous_identifier", String),
    Column("requested_at", String, nullable=False),
    Column("deadline", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("interrupted", Boolean, nullable=False),
    Column("looked_through", Boolean, nullable=False),
    Column("commanded", Boolean, nullable=False),
    Column("left_out", Text, nullable=False),
    Column("clients", Text, nullable=False, server_default="[]"),
    Column("instance_id", String, nullable=False, server_default=""),
    Column("target_domains", Text, nullable=False, server_default="[]"),
    Column("previous_domains", Text, nullable=False, server_default="[]"),
    Column("addresses", Text, nullable=False, server_default="[]"),
)

holds = Table(
    "holds",
    metadata,
    Column("instance", String, primary_key=True),
    Column("run", String, nullable=False),
    Column("since", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("specification", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run", String, primary_key=True),
    Column("instance", String, primary_key=True),
    Column("command", String, nullable=False),
    Column("began", String, nullable=False),
    Column("ended", String),
    Column("outcome", String),
    Column("message", Text),
    Column("outage_seconds", Float),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run", String, nullable=False, index=True),
    Column("instance", String, nullable=False),
    Column("at", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", Text, nullable=False),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("instance", String, nullable=False, index=True),
    Column("at", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("leaf", String),
    Column("identifier", String),
    Column("previous_mode", String),
    Column("previous_leaf", String),
    Column("previous_identifier", String),
    Column("domains", Text, nullable=False, server_default="[]"),
    Column("previous_domains", Text, nullable=False, server_default="[]"),
)

leaves = Table(
    "leaves",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("met", String, nullable=False),
    Column("distrusted", Boolean, nullable=False),
)

backoffs = Table(
    "backoffs",
    metadata,
    Column("instance", String, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("specification", String, nullable=False),
)

stop_requests = Table(
    "stop_requests",
    metadata,
    Column("instance", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("by_run", String, nullable=False),
)

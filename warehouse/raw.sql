-- The only tables that dbt does not make. Everything else is derived from these.

create schema if not exists raw;

-- One row: the digest of this file, so that a build file of another layout is told from a wrong one.
create table if not exists raw.layout (
    sha256 varchar not null
);

-- One row per verified record, as written. `line` holds the exact bytes without LF, so that the
-- hash of every record can be recomputed here: sha256(0x00 || body). `data` is not stored a second
-- time: it is read from the line. `redacted` marks the stub of a record whose content was erased.
create table if not exists raw.records (
    seq bigint not null,
    ts varchar not null,
    type varchar not null,
    run_id varchar,
    step varchar,
    id varchar,
    status varchar,
    actor varchar,
    inputs json,
    outputs json,
    data json generated always as (json_extract(line, '$.data')) virtual,
    prev_hash varchar not null,
    hash varchar not null,
    redacted boolean not null,
    line varchar not null using compression zstd
);

-- One row per checkpoint on disk, signed by a key that was valid at its size.
create table if not exists raw.checkpoints (
    size bigint primary key,
    origin varchar not null,
    root varchar not null,
    note varchar not null
);

-- One row per JSON blob that a record names and whose content belongs into tables: results too
-- long for a line, and manifests. Named by its digest.
create table if not exists raw.documents (
    sha256 varchar primary key,
    role varchar not null,
    content varchar not null using compression zstd
);

-- One row per load that added records: how far it went, and the digest of all ledger bytes up to
-- there, by which the next load finds that history has changed.
create table if not exists raw.loads (
    load_number bigint primary key,
    first_seq bigint not null,
    through_seq bigint not null,
    through_hash varchar not null,
    ledger_sha256 varchar not null
);

-- The record the marts stand on; models read nothing that was recorded after it.
create table if not exists raw.head (
    through_seq bigint not null,
    through_hash varchar not null
);

-- One row after a build that ended well: how far the derived tables go, and the digest of the models
-- that derived them. The next build adds to tables of the same models only.
create table if not exists raw.derived (
    through_seq bigint not null,
    models_sha256 varchar not null
);

-- One row per run whose derived rows the build at hand replaces: it was recorded to since, or shares
-- a decision with one that was.
create table if not exists raw.growth (
    run_id varchar not null,
    first_seq bigint not null
);

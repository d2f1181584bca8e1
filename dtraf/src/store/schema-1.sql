-- The ledger, layout 1. Moments are nanoseconds, spans seconds since the Unix epoch. Directions are the container's.

-- One row: how far the ledger has been written. None where a damaged ledger could not say it: then what counters say at the
-- next batch is booked already.
CREATE TABLE progress (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL, -- of the last batch
    at_ns    INTEGER NOT NULL  -- when it was made
) STRICT;
INSERT INTO progress VALUES (1, 0, 0);

-- For whom totals are kept.
CREATE TABLE account (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL,
    since_ns INTEGER NOT NULL -- first heard of
) STRICT;

-- What accounts are found by: labels and names of containers. Several keys may lead to one account.
CREATE TABLE account_key (
    key     TEXT    PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account
) STRICT, WITHOUT ROWID;
CREATE INDEX account_key_by_account ON account_key (account);

-- Who has counts: a container, or a meter of which nobody knows whose it is.
CREATE TABLE holder (
    id        INTEGER PRIMARY KEY,
    container BLOB    UNIQUE,              -- 32 bytes; NULL for a meter without a container
    account   INTEGER REFERENCES account,  -- NULL for a meter without a container
    reason    TEXT,                        -- why it has none
    described INTEGER NOT NULL DEFAULT 0   -- 0: only its name is known
) STRICT;
CREATE INDEX holder_by_account ON holder (account);

-- What was true of a container, and when.
CREATE TABLE attribute (
    holder   INTEGER NOT NULL REFERENCES holder,
    kind     TEXT    NOT NULL, -- name, image, project, address
    value    TEXT    NOT NULL,
    network  TEXT    NOT NULL, -- of an address; otherwise empty
    since_ns INTEGER NOT NULL, -- first seen
    until_ns INTEGER           -- first seen no more
) STRICT;
CREATE UNIQUE INDEX attribute_now ON attribute (holder, kind, value, network) WHERE until_ns IS NULL;
CREATE INDEX attribute_by_value ON attribute (kind, value);

-- What amounts are counted under.
CREATE TABLE key (
    id       INTEGER PRIMARY KEY,
    part     INTEGER NOT NULL, -- 0: by scope; 1: by port, and what has none. Each of both adds up to the total
    scope    TEXT,             -- NULL where nobody looked
    bucket   TEXT,             -- why there is no port
    protocol INTEGER,          -- IP protocol number
    port     INTEGER,
    role     TEXT,             -- server: the container's own port; client: the other end's
    family   TEXT
) STRICT;

-- What counts, or has counted.
CREATE TABLE meter (
    id         INTEGER PRIMARY KEY,
    epoch      TEXT    NOT NULL, -- which counters: those of another epoch say nothing of these
    place      TEXT    NOT NULL, -- which of them
    holder     INTEGER NOT NULL REFERENCES holder,
    backend    TEXT    NOT NULL,
    since_ns   INTEGER NOT NULL,
    until_ns   INTEGER,          -- no later reading will come
    -- What the interface had carried before; NULL where there is no interface.
    missed_rx_skb_bytes INTEGER,
    missed_rx_skbs      INTEGER,
    missed_tx_skb_bytes INTEGER,
    missed_tx_skbs      INTEGER,
    missed_is_exact     INTEGER
) STRICT;
CREATE UNIQUE INDEX meter_now ON meter (epoch, place) WHERE until_ns IS NULL;
CREATE INDEX meter_by_holder ON meter (holder);

-- Amounts are kept as six numbers a direction, of which most are small:
--   ip_bytes      from the IP header on, a GSO packet once (0 for what is not IP)
--   skbs          a GSO packet once
--   extra_bytes   skb bytes less ip_bytes less 14 x skbs: 0 for IP
--   added_bytes   wire bytes less skb bytes: the headers that segmentation adds
--   added_packets packets on the wire less skbs
--   link_bytes    wire bytes less what a router bills, less 14 x packets: VLAN tags
-- The last four are NULL where no frames are seen.

-- The readings up to which everything is in `traffic`.
CREATE TABLE cursor (
    meter INTEGER NOT NULL REFERENCES meter,
    key   INTEGER NOT NULL REFERENCES key,
    rx_ip_bytes INTEGER NOT NULL, rx_skbs INTEGER NOT NULL,
    rx_extra_bytes INTEGER, rx_added_bytes INTEGER, rx_added_packets INTEGER, rx_link_bytes INTEGER,
    tx_ip_bytes INTEGER NOT NULL, tx_skbs INTEGER NOT NULL,
    tx_extra_bytes INTEGER, tx_added_bytes INTEGER, tx_added_packets INTEGER, tx_link_bytes INTEGER,
    PRIMARY KEY (meter, key)
) STRICT, WITHOUT ROWID;

-- Counters that meters are worked out from, as they were last read.
CREATE TABLE raw (
    place   TEXT    PRIMARY KEY,
    epoch   TEXT    NOT NULL,
    packets INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was counted, once in each tier: 0 five minutes, 1 an hour, 2 a day, 3 a month.
CREATE TABLE traffic (
    tier   INTEGER NOT NULL,
    part   INTEGER NOT NULL, -- of the key
    start  INTEGER NOT NULL, -- of the span
    holder INTEGER NOT NULL REFERENCES holder,
    key    INTEGER NOT NULL REFERENCES key,
    rx_ip_bytes INTEGER NOT NULL, rx_skbs INTEGER NOT NULL,
    rx_extra_bytes INTEGER, rx_added_bytes INTEGER, rx_added_packets INTEGER, rx_link_bytes INTEGER,
    tx_ip_bytes INTEGER NOT NULL, tx_skbs INTEGER NOT NULL,
    tx_extra_bytes INTEGER, tx_added_bytes INTEGER, tx_added_packets INTEGER, tx_link_bytes INTEGER,
    PRIMARY KEY (tier, part, start, holder, key)
) STRICT, WITHOUT ROWID;

-- Times in which no dtraf was there to write: what was counted then is booked at their end.
CREATE TABLE absence (
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL
) STRICT;

-- For people who ask SQLite themselves.
CREATE VIEW readable AS
SELECT tier, start, datetime(start, 'unixepoch') AS start_utc, account.name AS account, key.part, scope, bucket,
       protocol, port, role, family,
       rx_ip_bytes + 14 * rx_skbs + rx_extra_bytes + rx_added_bytes AS rx_wire_bytes,
       rx_skbs + rx_added_packets AS rx_packets,
       rx_ip_bytes AS rx_skb_ip_bytes, rx_skbs,
       tx_ip_bytes + 14 * tx_skbs + tx_extra_bytes + tx_added_bytes AS tx_wire_bytes,
       tx_skbs + tx_added_packets AS tx_packets,
       tx_ip_bytes AS tx_skb_ip_bytes, tx_skbs
FROM traffic JOIN key ON key.id = traffic.key JOIN holder ON holder.id = traffic.holder
     LEFT JOIN account ON account.id = holder.account;

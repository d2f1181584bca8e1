-- The ledger, layout 3: what the host's network cards have carried, whoever it was for.
-- Kinds of `attribute` are also those labels of a container that say what its account is billed and may use, by their names.

CREATE TABLE card (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    since_ns INTEGER NOT NULL -- first looked at
) STRICT;

-- The readings up to which everything is in `card_traffic`. Another boot's say nothing of these.
CREATE TABLE card_cursor (
    ifindex    INTEGER PRIMARY KEY,
    boot       TEXT    NOT NULL,
    rx_bytes   INTEGER NOT NULL,
    rx_packets INTEGER NOT NULL,
    tx_bytes   INTEGER NOT NULL,
    tx_packets INTEGER NOT NULL
) STRICT;

-- Once in each tier, as `traffic`. Bytes and packets are what the card's driver counts.
CREATE TABLE card_traffic (
    tier  INTEGER NOT NULL,
    start INTEGER NOT NULL, -- of the span
    card  INTEGER NOT NULL REFERENCES card,
    rx_bytes   INTEGER NOT NULL,
    rx_packets INTEGER NOT NULL,
    tx_bytes   INTEGER NOT NULL,
    tx_packets INTEGER NOT NULL,
    PRIMARY KEY (tier, start, card)
) STRICT, WITHOUT ROWID;

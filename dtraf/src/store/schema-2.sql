-- The ledger, layout 2: resets of accounts, what others say, and quotas.

-- A reset of an account. What had been counted stays; it is told from what comes after by what stands here.
CREATE TABLE baseline (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES account,
    name    TEXT    NOT NULL, -- of the account, then
    made_ns INTEGER NOT NULL, -- when somebody asked for it
    at_ns   INTEGER NOT NULL  -- of the last batch then: what it holds was counted up to there
) STRICT;
CREATE INDEX baseline_by_account ON baseline (account);

-- The whole total of each of the account's holders at a baseline. By holder, so that it goes with them to another account.
CREATE TABLE baseline_amount (
    baseline INTEGER NOT NULL REFERENCES baseline,
    holder   INTEGER NOT NULL REFERENCES holder,
    rx_ip_bytes INTEGER NOT NULL, rx_skbs INTEGER NOT NULL,
    rx_extra_bytes INTEGER, rx_added_bytes INTEGER, rx_added_packets INTEGER, rx_link_bytes INTEGER,
    tx_ip_bytes INTEGER NOT NULL, tx_skbs INTEGER NOT NULL,
    tx_extra_bytes INTEGER, tx_added_bytes INTEGER, tx_added_packets INTEGER, tx_link_bytes INTEGER,
    PRIMARY KEY (holder, baseline)
) STRICT, WITHOUT ROWID;

-- What somebody else has counted: a provider's panel, a router. Shown beside what dtraf has counted, never added to it.
CREATE TABLE calibration (
    id       INTEGER PRIMARY KEY,
    made_ns  INTEGER NOT NULL,
    from_s   INTEGER NOT NULL, -- the time that it is said of
    to_s     INTEGER NOT NULL,
    counts   TEXT    NOT NULL, -- which direction: both, rx, tx
    bytes    INTEGER NOT NULL,
    note     TEXT    NOT NULL  -- who says so
) STRICT;

-- What an account may use in a billing cycle.
CREATE TABLE quota (
    account    INTEGER PRIMARY KEY REFERENCES account,
    bytes      INTEGER NOT NULL,
    counts     TEXT    NOT NULL, -- which direction: sum, max, rx, tx
    scopes     TEXT,             -- only traffic with these, apart by blanks; NULL: all
    cycle_day  INTEGER NOT NULL,
    thresholds TEXT    NOT NULL, -- per cent, apart by blanks
    hook       TEXT              -- what is run at them: a JSON array of words
) STRICT;

-- Thresholds that were passed, each once in a cycle: written down before anybody is told.
CREATE TABLE crossing (
    account INTEGER NOT NULL REFERENCES account,
    cycle_s INTEGER NOT NULL, -- where the cycle began
    percent INTEGER NOT NULL,
    at_ns   INTEGER NOT NULL,
    PRIMARY KEY (account, cycle_s, percent)
) STRICT, WITHOUT ROWID;

-- The ledger, layout 4: amounts by account apart from amounts by container, so that no report of accounts depends on how many
-- containers there were.
--
-- `traffic` is kept by account from here on: its holder is the one that stands for the account. A container's own holder has rows
-- there as long as its account may still change (`described` is 0), and from earlier layouts; so has a holder without an account.
-- `holder_traffic` has each holder's total, without scope or port.

-- Three kinds of holder have no container: a meter's, until its container is known (no account, no reason); the one that stands
-- for an account (`folded` is NULL); and one that has the totals of former containers of an account (`folded` says how many).
ALTER TABLE holder ADD COLUMN folded INTEGER;
ALTER TABLE holder ADD COLUMN project TEXT;     -- of folded containers, where it is known
ALTER TABLE holder ADD COLUMN first_ns INTEGER; -- when the first meter of folded containers began
ALTER TABLE holder ADD COLUMN gone_ns INTEGER;  -- container removed; NULL while it is there
CREATE INDEX holder_of_account ON holder (account) WHERE container IS NULL AND account IS NOT NULL;
CREATE INDEX holder_by_gone ON holder (gone_ns) WHERE gone_ns IS NOT NULL;
CREATE INDEX holder_by_reason ON holder (reason) WHERE reason IS NOT NULL;

-- Once in each tier, as `traffic`: the sum over scopes.
CREATE TABLE holder_traffic (
    tier   INTEGER NOT NULL,
    start  INTEGER NOT NULL, -- of the span
    holder INTEGER NOT NULL REFERENCES holder,
    rx_ip_bytes INTEGER NOT NULL, rx_skbs INTEGER NOT NULL,
    rx_extra_bytes INTEGER, rx_added_bytes INTEGER, rx_added_packets INTEGER, rx_link_bytes INTEGER,
    tx_ip_bytes INTEGER NOT NULL, tx_skbs INTEGER NOT NULL,
    tx_extra_bytes INTEGER, tx_added_bytes INTEGER, tx_added_packets INTEGER, tx_link_bytes INTEGER,
    PRIMARY KEY (tier, start, holder)
) STRICT, WITHOUT ROWID;
-- An index for each question.
DROP INDEX attribute_by_value;
CREATE INDEX attribute_by_holder ON attribute (holder, kind, since_ns);
CREATE INDEX attribute_current ON attribute (kind, holder) WHERE until_ns IS NULL;
CREATE INDEX attribute_by_address ON attribute (value, since_ns, until_ns) WHERE kind = 'address';
CREATE INDEX attribute_by_name ON attribute (value, holder) WHERE kind = 'name';
-- Of the kinds that are labels. Folded containers' labels are kept where they still count; `network` has the container's name.
CREATE INDEX attribute_by_label ON attribute (kind, holder) WHERE kind NOT IN ('name', 'image', 'project', 'address');
CREATE INDEX key_by_words ON key (part, port, protocol, role, family, scope, bucket);
DROP INDEX meter_by_holder;
CREATE INDEX meter_by_holder ON meter (holder, since_ns);
CREATE INDEX meter_by_since ON meter (since_ns);
CREATE INDEX meter_with_interface ON meter (since_ns) WHERE missed_is_exact IS NOT NULL;
CREATE INDEX meter_with_shortfall ON meter (since_ns)
WHERE missed_rx_skb_bytes + missed_rx_skbs + missed_tx_skb_bytes + missed_tx_skbs + (missed_is_exact = 0) > 0;
CREATE INDEX baseline_amount_by_baseline ON baseline_amount (baseline);
CREATE INDEX absence_by_end ON absence (to_ns);

-- When which backend has written: one row for as long as it was the same one.
CREATE TABLE tenure (
    id      INTEGER PRIMARY KEY,
    backend TEXT    NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns   INTEGER NOT NULL -- of the last batch, so far
) STRICT;

-- The ledger, layout 5: its time zones, and what was dropped of it.
-- Days by scope are kept for ever from here on. Times in which nothing is known begin where `dropped` says.

-- The zones that hours, days and months are cut in, each from a second on; the first is in force before that, too. Without a row
-- the next writer takes the zone that its spans were evidently cut in.
CREATE TABLE zone (
    from_s INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL -- of the IANA time zone database
) STRICT;

-- Spans that began before a second are gone.
CREATE TABLE dropped (
    tier    INTEGER NOT NULL,
    part    INTEGER NOT NULL, -- of `traffic`: 0 by scope, 1 by port; 2: `card_traffic`
    until_s INTEGER NOT NULL,
    PRIMARY KEY (tier, part)
) STRICT, WITHOUT ROWID;

-- Only traffic with these scopes is in the figure, apart by blanks; NULL: whatever the host is billed for.
ALTER TABLE calibration ADD COLUMN scopes TEXT;

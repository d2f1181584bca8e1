-- What layout 4 derives from earlier ones.

-- A sum with something unknown in it is unknown. All four columns of a direction are unknown at once.
INSERT INTO holder_traffic
SELECT tier, start, holder, sum(rx_ip_bytes), sum(rx_skbs),
       CASE WHEN count(*) = count(rx_extra_bytes) THEN sum(rx_extra_bytes) END,
       CASE WHEN count(*) = count(rx_extra_bytes) THEN sum(rx_added_bytes) END,
       CASE WHEN count(*) = count(rx_extra_bytes) THEN sum(rx_added_packets) END,
       CASE WHEN count(*) = count(rx_extra_bytes) THEN sum(rx_link_bytes) END,
       sum(tx_ip_bytes), sum(tx_skbs),
       CASE WHEN count(*) = count(tx_extra_bytes) THEN sum(tx_extra_bytes) END,
       CASE WHEN count(*) = count(tx_extra_bytes) THEN sum(tx_added_bytes) END,
       CASE WHEN count(*) = count(tx_extra_bytes) THEN sum(tx_added_packets) END,
       CASE WHEN count(*) = count(tx_extra_bytes) THEN sum(tx_link_bytes) END
FROM traffic WHERE part = 0 GROUP BY tier, start, holder;

INSERT INTO tenure (backend, from_ns, to_ns)
SELECT backend, min(since_ns), max(coalesce(until_ns, (SELECT max(at_ns) FROM progress), since_ns)) FROM meter
GROUP BY epoch, backend ORDER BY 2;

UPDATE holder SET gone_ns = coalesce(
    (SELECT max(until_ns) FROM attribute WHERE attribute.holder = holder.id),
    (SELECT max(until_ns) FROM meter WHERE meter.holder = holder.id),
    0)
WHERE container IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM attribute WHERE attribute.holder = holder.id AND until_ns IS NULL)
  AND NOT EXISTS (SELECT 1 FROM meter WHERE meter.holder = holder.id AND until_ns IS NULL);

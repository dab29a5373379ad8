-- The books of one large provider: 20,000 customers, 400,000 payments and 40,000 tickets with all that goes with them, as the
-- program itself would have written them in 20 months. The caller has set the search path. Rows are written in the order of time,
-- as they would have come in, and so are their ids.

TRUNCATE customer, area, plan, lcp, router, outage, event, notice, number_series, cash_shift, ticket, visit CASCADE;
DELETE FROM staff_role WHERE staff_id IN (SELECT id FROM staff WHERE email LIKE 'person%@books.example');
DELETE FROM staff WHERE email LIKE 'person%@books.example';

-- The one moment from which all of it is counted.
CREATE TEMP TABLE moment AS SELECT date_trunc('minute', now()) AS at;

-- The number of a kind of thing, as an id.
CREATE OR REPLACE FUNCTION pg_temp.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('019' || lpad(to_hex(kind), 5, '0') || '00007000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid $$;

-- The same of an instant, as the trail has them.
CREATE OR REPLACE FUNCTION pg_temp.id_at(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid $$;

INSERT INTO staff (id, email, name, created_at)
SELECT pg_temp.id(1, g), 'person' || g || '@books.example', (ARRAY['Ana','Ben','Carla','Dan','Ella'])[1 + g % 5] || ' Reyes ' || g, at - interval '2 years'
FROM generate_series(1, 30) g, moment;
INSERT INTO staff_role (staff_id, role_id) SELECT pg_temp.id(1, g), (SELECT id FROM role WHERE NOT is_owner ORDER BY name LIMIT 1)
FROM generate_series(1, 30) g;

INSERT INTO area (id, name, code, created_at) SELECT pg_temp.id(2, g), 'Barangay ' || g, 'B' || g, at - interval '2 years'
FROM generate_series(1, 40) g, moment;

INSERT INTO plan (id, name, download_mbps, upload_mbps, price, period_days, created_at)
SELECT pg_temp.id(3, g), 'Monthly ' || g * 25, g * 25, g * 25, 500 + 100 * g, 30, at - interval '2 years' FROM generate_series(1, 8) g, moment;
INSERT INTO plan_price (plan_id, valid_from, price, period_days, changed_by) SELECT id, created_at, price, period_days, 'Ana Reyes' FROM plan;

INSERT INTO customer (id, reference, first_name, last_name, email, phone_primary, street_address, area_id, status, notes, latitude, longitude,
    location_accuracy, created_at, updated_at)
SELECT pg_temp.id(0, g), 'C-' || g, (ARRAY['Maria','Jose','Ana','Juan','Rosa','Pedro','Liza','Ramon'])[1 + g % 8],
    (ARRAY['Santos','Reyes','Cruz','Bautista','Ocampo','Garcia'])[1 + g % 6] || ' ' || substr(md5(g::text), 1, 4),
    'c' || g || '@mail.example', '+63917' || lpad(g::text, 7, '0'), (g % 90 + 1) || ' Rizal Street', pg_temp.id(2, 1 + g % 40),
    CASE WHEN g % 20 = 0 THEN 'inactive' WHEN g % 97 = 0 THEN 'suspended' ELSE 'active' END,
    CASE WHEN g % 2 = 0 THEN repeat('note ', (g % 8)::int) || g END,
    8.4 + (g * 7919 % 20011) / 100000.0, 124.6 + (g * 104729 % 20011) / 100000.0, 'exact',
    at - interval '620 days' + g * interval '44 minutes', at - g * interval '31 seconds'
FROM generate_series(1, 20000) g, moment ORDER BY g;

-- The plant: 20 cabinets, each with a splitter 1:8 and eight of 1:16 below it, and 1,500 boxes of 16 ports.
INSERT INTO lcp (id, code, name, area_id, coverage_radius_m, fibre_m, latitude, longitude, location_accuracy, created_at)
SELECT pg_temp.id(4, g), 'LCP-' || lpad(g::text, 3, '0'), 'Cabinet ' || g, pg_temp.id(2, g), 1000, 1500,
    8.4 + (g % 5) * 0.04 + 0.02, 124.6 + (g / 5) * 0.04 + 0.02, 'exact', at - interval '2 years' FROM generate_series(1, 20) g, moment;
INSERT INTO splitter (id, lcp_id, depth, code, type, outputs, latitude, longitude, location_accuracy, created_at)
SELECT pg_temp.id(5, g), pg_temp.id(4, g), 1, 'S' || g, '1:8', 8, l.latitude, l.longitude, 'exact', at - interval '2 years'
FROM generate_series(1, 20) g JOIN lcp l ON l.id = pg_temp.id(4, g), moment;
INSERT INTO splitter_output (splitter_id, number, outputs, loss_db, feeds)
SELECT pg_temp.id(5, g), n, 8, 10.5, 'splitter' FROM generate_series(1, 20) g, generate_series(1, 8) n;
INSERT INTO splitter (id, lcp_id, parent_id, parent_output, depth, code, type, outputs, latitude, longitude, location_accuracy, created_at)
SELECT pg_temp.id(5, 100 + 8 * g + n), pg_temp.id(4, g), pg_temp.id(5, g), n, 2, 'S' || g || '-' || n, '1:16', 16,
    l.latitude + n * 0.002, l.longitude + n * 0.001, 'exact', at - interval '2 years'
FROM generate_series(1, 20) g CROSS JOIN generate_series(1, 8) n JOIN lcp l ON l.id = pg_temp.id(4, g), moment;
INSERT INTO splitter_output (splitter_id, number, outputs, loss_db)
SELECT pg_temp.id(5, 100 + 8 * g + n), o, 16, 13.5 FROM generate_series(1, 20) g, generate_series(1, 8) n, generate_series(1, 16) o;
INSERT INTO nap (id, splitter_id, splitter_output, code, name, location, port_capacity, fibre_m, latitude, longitude, location_accuracy, created_at)
SELECT pg_temp.id(6, g), pg_temp.id(5, 100 + 8 * (1 + g % 20) + 1 + g / 20 % 8), 1 + g / 160 % 16, 'NAP-' || lpad(g::text, 4, '0'), 'Box ' || g,
    'Pole ' || g, 16, 300, 8.4 + (g * 7919 % 2003) / 10000.0, 124.6 + (g * 1299709 % 2003) / 10000.0, 'exact', at - interval '2 years'
FROM generate_series(0, 1499) g, moment;
INSERT INTO nap_port (nap_id, number, capacity) SELECT pg_temp.id(6, g), n, 16 FROM generate_series(0, 1499) g, generate_series(1, 16) n;
UPDATE nap_port SET is_faulty = true, note = 'Broken' WHERE number = 16 AND nap_id < pg_temp.id(6, 40);
UPDATE nap_port SET reserved_until = at + interval '30 days', reserved_for = pg_temp.id(0, 7) FROM moment WHERE number = 15 AND nap_id < pg_temp.id(6, 40);

INSERT INTO router (id, brand, model, serial_number, mac_address, state, created_at)
SELECT pg_temp.id(7, g), (ARRAY['Huawei','ZTE','TP-Link'])[1 + g % 3], 'HG' || g % 20, 'SN' || lpad(g::text, 8, '0'),
    upper(regexp_replace(lpad(to_hex(186000000000000 + g), 12, '0'), '(..)(..)(..)(..)(..)(..)', '\1:\2:\3:\4:\5:\6')),
    CASE WHEN g <= 20000 THEN 'assigned' WHEN g % 3 = 0 THEN 'faulty' WHEN g % 7 = 0 THEN 'retired' ELSE 'in_stock' END,
    at - interval '620 days' + g * interval '40 minutes'
FROM generate_series(1, 21000) g, moment ORDER BY g;

-- One installation for every customer; some have a second one that is planned, or one that is gone.
INSERT INTO installation (id, customer_id, status, nap_id, nap_port, router_id, technician_id, area_id, latitude, longitude, drop_m, installed_on,
    paid_until, created_at, updated_at)
SELECT pg_temp.id(8, g), pg_temp.id(0, g), CASE WHEN g % 20 = 0 THEN 'inactive' ELSE 'active' END, pg_temp.id(6, g % 1500), 1 + g / 1500,
    pg_temp.id(7, g), pg_temp.id(1, 1 + g % 10), CASE WHEN g % 2 = 0 THEN c.area_id END, CASE WHEN g % 2 = 0 THEN c.latitude END,
    CASE WHEN g % 2 = 0 THEN c.longitude END, 40 + g % 60, (c.created_at + interval '2 days')::date,
    at - (g * 37 % 43200) * interval '1 minute' - CASE WHEN g % 20 = 0 THEN interval '30 days' ELSE interval '0' END + interval '30 days',
    c.created_at, c.created_at + interval '2 days'
FROM generate_series(1, 20000) g JOIN customer c ON c.id = pg_temp.id(0, g), moment ORDER BY g;
INSERT INTO installation (id, customer_id, status, created_at)
SELECT pg_temp.id(8, 30000 + g), pg_temp.id(0, g), 'scheduled', at - g * interval '1 hour' FROM generate_series(1, 200) g, moment;
INSERT INTO installation (id, customer_id, status, installed_on, terminated_at, held_port, termination_reason, created_at)
SELECT pg_temp.id(8, 31000 + g), pg_temp.id(0, g), 'terminated', at::date - 400, at - g * interval '1 day', 'NAP-0001 port 3', 'Moved away',
    at - interval '400 days' FROM generate_series(201, 500) g, moment;
INSERT INTO router_move (id, router_id, to_state, installation_id, moved_by, moved_at)
SELECT pg_temp.id(9, g), pg_temp.id(7, g), 'assigned', pg_temp.id(8, g), 'Ana Reyes', at - interval '100 days' FROM generate_series(1, 20000) g, moment;

-- Twenty periods of 30 days each, one behind the other up to now; every twentieth customer lapsed a month ago. Three in five are
-- sold two days ahead, the others as they begin.
CREATE TEMP TABLE sale AS
SELECT g, k, pg_temp.id(16, row_number() OVER (ORDER BY i.paid_until - (20 - k) * interval '30 days', g)) AS id, p.id AS plan_id,
    p.name AS plan_name, p.price, i.paid_until - (20 - k) * interval '30 days' AS starts_at,
    i.paid_until - (20 - k) * interval '30 days' - CASE WHEN k > 0 AND (g + k) % 5 < 3 THEN interval '2 days' ELSE interval '0' END AS at, g % 25 = 7 AND k = 19 AS is_owed, 1 + (g + k) % 12 AS cashier,
    (ARRAY['cash','cash','cash','gcash','gcash','maya','bank','card'])[1 + (g * 5 + k) % 8] AS method
FROM generate_series(1, 20000) g CROSS JOIN generate_series(0, 19) k JOIN installation i ON i.id = pg_temp.id(8, g)
JOIN plan p ON p.id = pg_temp.id(3, 1 + g % 8);
ANALYZE sale;

INSERT INTO subscription (id, installation_id, customer_id, plan_id, plan_name, kind, price, period_days, tax, amount, paid_amount, starts_at, ends_at,
    sold_minutes, days_added, status, sold_by, sold_by_label, created_at, updated_at)
SELECT id, pg_temp.id(8, g), pg_temp.id(0, g), plan_id, plan_name, 'one_month', price, 30, 'vatable', price, CASE WHEN is_owed THEN 0 ELSE price END,
    starts_at, starts_at + interval '30 days', 43200, 30, CASE WHEN starts_at + interval '30 days' > moment.at THEN 'active' ELSE 'expired' END,
    pg_temp.id(1, cashier), 'Ana Reyes', sale.at, sale.at
FROM sale, moment ORDER BY sale.starts_at, sale.id;
INSERT INTO subscription_reminder (subscription_id, days_before, reminded_at)
SELECT id, d, starts_at + interval '30 days' - d * interval '1 day' FROM sale, generate_series(0, 7) d, moment
WHERE d IN (0, 1, 3, 7) AND k >= 17 AND starts_at + interval '30 days' - d * interval '1 day' < moment.at;

INSERT INTO cash_shift (id, staff_id, opened_at, opening_cash, closed_at, expected_cash, counted_cash)
SELECT pg_temp.id(17, d * 12 + s), pg_temp.id(1, s), date_trunc('day', at) - d * interval '1 day', 500,
    date_trunc('day', at) - d * interval '1 day' + interval '10 hours', 9000, 9000
FROM generate_series(1, 600) d, generate_series(1, 12) s, moment ORDER BY 3;

-- What was paid for those periods; some paid ahead, some of those got something back, and some payments were made void.
CREATE TEMP TABLE money AS
SELECT *, pg_temp.id(18, n) AS id FROM (SELECT *, row_number() OVER (ORDER BY at, g, k) AS n FROM (
SELECT g, k, price AS amount, price AS allocated, 0::numeric AS refunded, method, cashier, at, false AS is_void,
    id AS period_id, plan_name FROM sale WHERE NOT is_owed
UNION ALL SELECT g, 20, 500, 0, CASE WHEN g % 200 = 8 THEN 200 ELSE 0 END, 'cash', 1 + g % 12,
    at - g * interval '43 minutes', false, NULL, NULL FROM generate_series(8, 20000, 25) g, moment
UNION ALL SELECT g, 20, 900, 0, 0, 'cash', 1 + g % 12, at - g * interval '43 minutes', true, NULL, NULL
FROM generate_series(9, 20000, 100) g, moment) m) m;
ANALYZE money;

INSERT INTO payment (id, customer_id, amount, allocated_amount, refunded_amount, method, reference, received_by, received_by_label, received_at, shift_id,
    status, voided_at, voided_by, void_reason, created_at)
SELECT m.id, pg_temp.id(0, g), amount, allocated, refunded, method, CASE WHEN method <> 'cash' THEN 'R' || g || '-' || k END,
    pg_temp.id(1, cashier), 'Ana Reyes', m.at,
    CASE WHEN m.at < date_trunc('day', m.at) + interval '10 hours' AND moment.at::date - m.at::date BETWEEN 1 AND 600
        THEN pg_temp.id(17, (moment.at::date - m.at::date) * 12 + cashier) END,
    CASE WHEN is_void THEN 'void' ELSE 'valid' END, CASE WHEN is_void THEN m.at + interval '1 hour' END, CASE WHEN is_void THEN 'Ben Reyes' END,
    CASE WHEN is_void THEN 'Entered twice' END, m.at
FROM money m, moment ORDER BY m.at, m.id;
INSERT INTO payment_allocation (id, payment_id, subscription_id, amount, created_at)
SELECT pg_temp.id(19, n), id, period_id, amount, at FROM money WHERE period_id IS NOT NULL ORDER BY at, money.id;
INSERT INTO refund (id, payment_id, customer_id, amount, method, reason, refunded_by, refunded_by_label, refunded_at)
SELECT pg_temp.id(20, g), id, pg_temp.id(0, g), refunded, 'cash', 'Asked for it', pg_temp.id(1, cashier), 'Ana Reyes', at + interval '1 day' FROM money WHERE refunded > 0;

-- Every account: a charge and a payment for each period, then what came beside them.
CREATE TEMP TABLE entry AS
SELECT g, 3 * k AS step, 'charge' AS kind, price AS amount, id AS subscription_id, NULL::uuid AS payment_id, NULL::uuid AS refund_id, plan_name AS text, at
FROM sale
UNION ALL SELECT g, 3 * k + 1, 'payment', -amount, NULL, id, NULL, 'Cash', at FROM money
UNION ALL SELECT g, 3 * k + 2, 'void', amount, NULL, id, NULL, 'Entered twice', at + interval '1 hour' FROM money WHERE is_void
UNION ALL SELECT g, 3 * k + 2, 'refund', refunded, NULL, id, pg_temp.id(20, g), 'Asked for it', at + interval '1 day' FROM money WHERE refunded > 0;
INSERT INTO ledger_entry (customer_id, position, id, kind, amount, balance, subscription_id, payment_id, refund_id, description, occurred_at)
SELECT pg_temp.id(0, g), row_number() OVER account, pg_temp.id(21, row_number() OVER (ORDER BY at, g, step)), kind, amount, sum(amount) OVER account, subscription_id, payment_id, refund_id,
    text, at FROM entry WINDOW account AS (PARTITION BY g ORDER BY step) ORDER BY at;
INSERT INTO customer_account (customer_id, balance, entries, first_paid_id)
SELECT e.customer_id, sum(e.amount), count(*), s.id FROM ledger_entry e JOIN sale s ON s.k = 0 AND pg_temp.id(0, s.g) = e.customer_id GROUP BY 1, 4;

-- A receipt for each payment, numbered by the day.
INSERT INTO receipt (id, series, number, label, payment_id, customer_id, issued_at, printed, verification_code)
SELECT pg_temp.id(22, m.n), m.series, m.number, m.series || '-' || lpad(m.number::text, 4, '0'), m.id, pg_temp.id(0, m.g), m.at,
    jsonb_build_object('layout', 1, 'title', 'Acknowledgement Receipt', 'label', m.series || '-' || lpad(m.number::text, 4, '0'),
        'issued', to_char(m.at, 'DD Month YYYY, HH24:MI'), 'company', 'Provider books', 'company_lines', '["12 Rizal Street, Carmen", "TIN 000-123-456-000"]'::jsonb,
        'customer', jsonb_build_array(jsonb_build_object('label', 'Received from', 'text', 'María Niña Cruz ' || m.g)),
        'lines', jsonb_build_array(jsonb_build_object('text', coalesce(m.plan_name, 'Credit to the account'), 'detail', '30 days', 'amount', '₱' || m.amount)),
        'total', '₱' || m.amount, 'payment', jsonb_build_array(jsonb_build_object('label', 'Paid by', 'text', m.method)),
        'taxes', '[]'::jsonb, 'issuer', 'Ana Reyes', 'notes', '["This document is not valid for claim of input tax."]'::jsonb,
        'verify_url', 'https://books.example/receipts/verify/' || m.code), m.code
FROM (SELECT *, 'AR-' || to_char(at, 'YYYY-MM-DD') AS series, row_number() OVER (PARTITION BY at::date ORDER BY at, id) AS number, substr(md5(id::text), 1, 24) AS code
    FROM money) m ORDER BY m.at, m.id;
INSERT INTO number_series (series, last) SELECT 'receipt ' || series, max(number) FROM receipt GROUP BY series;

-- Outages of boxes, all but three over, and whom they hit.
INSERT INTO outage (id, number, status, nap_id, node_kind, node_label, cause, started_at, restored_at, opened_by, restored_by, created_at)
SELECT pg_temp.id(23, g), 'OUT-2026-' || lpad(g::text, 4, '0'), CASE WHEN g > 597 THEN 'down' ELSE 'restored' END, pg_temp.id(6, g), 'nap',
    'NAP-' || lpad(g::text, 4, '0'), (ARRAY['fibre_cut','power','equipment','weather'])[1 + g % 4], at - (601 - g) * interval '1 day',
    CASE WHEN g <= 597 THEN at - (601 - g) * interval '1 day' + interval '3 hours' END, 'Ana Reyes', CASE WHEN g <= 597 THEN 'Ana Reyes' END,
    at - (601 - g) * interval '1 day'
FROM generate_series(1, 600) g, moment;
INSERT INTO outage_subscriber (outage_id, installation_id, customer_id, was_active, from_at, to_at, minutes)
SELECT o.id, i.id, i.customer_id, true, CASE WHEN o.restored_at IS NOT NULL THEN o.started_at END, o.restored_at, CASE WHEN o.restored_at IS NOT NULL THEN 180 END
FROM outage o JOIN installation i ON i.nap_id = o.nap_id;

-- Tickets over 600 days: 38,500 are done with, 1,500 of the last days are open.
INSERT INTO ticket (id, number, customer_id, installation_id, title, description, category, priority, status, source, nap_id, outage_id, reported_by,
    reported_by_label, assigned_to, sla_due_at, waiting_since, resolved_at, created_at, updated_at)
SELECT pg_temp.id(24, t.n), 'TKT-2026-' || lpad(t.n::text, 5, '0'), pg_temp.id(0, t.g), pg_temp.id(8, t.g),
    (ARRAY['No connection since morning','Slow at night','Drops every hour','Router blinks red','Wrong amount on receipt'])[1 + t.n % 5] || ' ' || t.n,
    repeat('It does not work as it should. ', 3),
    (ARRAY['no_connection','slow_connection','intermittent','router_issue','billing','relocation','upgrade','downgrade','other'])[1 + t.n % 9],
    (ARRAY['low','medium','medium','high','urgent'])[1 + t.n % 5], t.status, (ARRAY['phone','messenger','walk_in','portal'])[1 + t.n % 4],
    CASE WHEN t.n % 3 = 0 THEN pg_temp.id(6, t.g % 1500) END, CASE WHEN t.n % 100 = 0 THEN pg_temp.id(23, t.n / 100) END, pg_temp.id(1, 1 + t.n % 12), 'Ana Reyes',
    CASE WHEN t.status IN ('assigned', 'in_progress', 'waiting') OR t.n % 50 <> 0 THEN pg_temp.id(1, 1 + t.n % 10) END, t.at + interval '24 hours',
    CASE WHEN t.status = 'waiting' THEN t.at + interval '1 hour' END, CASE WHEN t.status = 'resolved' THEN t.at + (t.n % 40) * interval '1 hour' END, t.at, t.at
FROM (SELECT n, 1 + n * 7919 % 20000 AS g, at - (40000 - n) * interval '21 minutes' - interval '2 days' AS at,
    CASE WHEN n > 38500 THEN (ARRAY['pending','assigned','in_progress','waiting'])[1 + n % 4] WHEN n % 12 = 0 THEN 'cancelled' ELSE 'resolved' END AS status
    FROM generate_series(1, 40000) n, moment) t ORDER BY t.n;
INSERT INTO ticket_comment (id, ticket_id, staff_id, author_label, is_internal, comment, created_at)
SELECT pg_temp.id(25, n * 2 + c), pg_temp.id(24, n), pg_temp.id(1, 1 + n % 12), 'Ana Reyes', c = 1, 'Looked at it, and called back. ' || n, t.created_at + c * interval '1 hour'
FROM generate_series(1, 40000) n CROSS JOIN generate_series(0, 1) c JOIN ticket t ON t.id = pg_temp.id(24, n) ORDER BY t.created_at;
INSERT INTO number_series (series, last) VALUES ('TKT-2026', 40000), ('OUT-2026', 600);

INSERT INTO visit (id, kind, customer_id, installation_id, ticket_id, technician_id, starts_at, ends_at, status, created_at)
SELECT pg_temp.id(32, n), (ARRAY['repair','installation','survey'])[1 + n % 3], t.customer_id, t.installation_id, CASE WHEN n % 3 = 0 THEN t.id END,
    pg_temp.id(1, 1 + n % 10), t.created_at + interval '30 hours', t.created_at + interval '32 hours',
    CASE WHEN t.created_at + interval '30 hours' > at THEN 'planned' WHEN n % 30 = 0 THEN 'missed' ELSE 'done' END, t.created_at
FROM generate_series(1, 20000) n JOIN ticket t ON t.id = pg_temp.id(24, n * 2), moment ORDER BY t.created_at;

INSERT INTO event (id, kind, subject_id, customer_id, payload, occurred_at)
SELECT pg_temp.id(33, n), 'payment.recorded', id, pg_temp.id(0, g), jsonb_build_object('amount', amount), at FROM money WHERE k >= 15 ORDER BY at;
INSERT INTO notice (id, permission, text, href, created_at)
SELECT pg_temp.id(34, n), 'tickets.view', 'Ticket ' || n || ' is late.', '/tickets', at - (20000 - n) * interval '5 minutes' FROM generate_series(1, 20000) n, moment;
INSERT INTO notice (id, customer_id, text, href, created_at)
SELECT pg_temp.id(35, n), pg_temp.id(0, 1 + n % 20000), 'Your plan ends soon.', '/my', at - (40000 - n) * interval '5 minutes' FROM generate_series(1, 40000) n, moment;

-- The audit trail cannot be taken back: the program seals it.
INSERT INTO audit_event (id, occurred_at, actor_kind, actor_id, actor_label, action, object_type, object_id, object_label, after, salt)
SELECT pg_temp.id_at(at, n), at, 'staff', pg_temp.id(1, cashier), 'Ana Reyes', 'payment.recorded', 'payment', id, method || ' ' || amount, jsonb_build_object('amount', amount),
    decode(md5(id::text), 'hex') FROM money WHERE k >= 10 ORDER BY at
ON CONFLICT DO NOTHING;
DROP TABLE moment, sale, money, entry;

-- Ondine Balcony: tickets for concert halls and small theatres. Moments are UTC; money is in euro cents.
-- A seat is taken while a ticket of a paid order or a hold that has not run out is for it. Doors open an hour before a show.

--- tables
CREATE TABLE shows (
  show_id TEXT PRIMARY KEY,
  performer TEXT NOT NULL UNIQUE,
  genre TEXT NOT NULL CHECK (genre IN ('classical', 'jazz', 'rock', 'folk', 'theatre', 'comedy')),
  venue TEXT NOT NULL,
  city TEXT NOT NULL,
  starts_at TEXT NOT NULL,
  sale_opens_at TEXT NOT NULL
);
CREATE TABLE seats (
  seat_id TEXT PRIMARY KEY,
  show_id TEXT NOT NULL REFERENCES shows,
  place INTEGER NOT NULL,               -- the best view first
  seat_label TEXT NOT NULL,
  section TEXT NOT NULL CHECK (section IN ('stalls', 'balcony', 'gallery', 'standing')),
  price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
  UNIQUE (show_id, place),
  UNIQUE (show_id, seat_label)
);
CREATE TABLE holds (
  hold_id TEXT PRIMARY KEY,
  show_id TEXT NOT NULL REFERENCES shows,
  expires_at TEXT NOT NULL
);
CREATE TABLE held_seats (
  hold_id TEXT NOT NULL REFERENCES holds,
  seat_id TEXT NOT NULL REFERENCES seats,
  PRIMARY KEY (hold_id, seat_id)
);
CREATE INDEX holds_by_seat ON held_seats (seat_id);
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,
  hold_id TEXT NOT NULL UNIQUE REFERENCES holds,
  buyer_name TEXT NOT NULL,
  email TEXT NOT NULL,
  delivery TEXT NOT NULL CHECK (delivery IN ('mail', 'box_office')),
  refunded INTEGER NOT NULL CHECK (refunded IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE tickets (
  ticket_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES orders,
  seat_id TEXT NOT NULL REFERENCES seats,
  holder_email TEXT NOT NULL
);
CREATE INDEX tickets_by_seat ON tickets (seat_id);
CREATE TABLE declined_cards (
  email TEXT PRIMARY KEY
);

--- populate
-- An open rehearsal begins within the hour, two shows are tomorrow, two are sold out, and for two the sale is still to begin.
INSERT INTO shows
SELECT 'shw_' || alnum(8, 'show', n), CASE n WHEN 1 THEN 'Open Rehearsal of the City Orchestra' ELSE nth('acts', n, 'name') END, CASE n WHEN 1 THEN 'classical' ELSE nth('acts', n, 'genre') END, nth('houses', 1 + (n + n / 4) % 8, 'venue'),
       nth('houses', 1 + (n + n / 4) % 8, 'city'),
       CASE n WHEN 1 THEN substr(at(now(), '+50 minutes'), 1, 14) || '00:00Z'
              WHEN 2 THEN at(now(), '+1 days', '19:30') WHEN 3 THEN at(now(), '+1 days', '20:00')
              ELSE at(now(), '+' || (CASE WHEN n IN (4, 5, 6, 7) THEN 60 ELSE 4 END + draw(0, 34, 'days', n)) || ' days', pick('curtains', n)) END,
       CASE WHEN n IN (6, 7) THEN at(now(), '+' || draw(3, 12, 'sale', n) || ' days', '10:00') ELSE at(now(), '-' || draw(20, 60, 'sale', n) || ' days', '10:00') END
FROM numbers WHERE n <= 18 ORDER BY n;

-- Thirteen seats that are sold online for each show, in pairs next to each other: six in the stalls, four on the balcony, three at the back or standing.
INSERT INTO seats
SELECT 'sea_' || alnum(8, 'seat', show * 20 + place), show_id, place,
       CASE WHEN section = 'standing' THEN 'Standing ' || (place + 100 + show)
            ELSE 'row ' || substr('ABCDEFGHJK', 1 + (place - 1) / 2 + draw(0, 3, 'row', show), 1) || ', seat ' || (draw(2, 24, 'chair', show, (place - 1) / 2) + (place - 1) % 2) END,
       section,
       50 * (draw(24, 64, 'base', show) * CASE section WHEN 'stalls' THEN CASE WHEN place <= 4 THEN 100 ELSE 90 END WHEN 'balcony' THEN CASE WHEN place <= 8 THEN 75 ELSE 65 END
                  WHEN 'gallery' THEN 45 ELSE 60 END / 50)
FROM (
  SELECT s.rowid AS show, s.show_id, n AS place,
         CASE WHEN n <= 6 THEN 'stalls' WHEN n <= 10 THEN 'balcony' WHEN s.genre IN ('rock', 'folk') THEN 'standing' ELSE 'gallery' END AS section
  FROM shows s JOIN numbers ON n <= 13)
ORDER BY show, place;

-- Seats are bought in pairs, the last one alone. Of what is left some was bought and given back.
INSERT INTO holds
SELECT 'hld_' || alnum(8, 'hold', s.rowid * 10 + k.n), s.show_id, at(now(), '-' || draw(1, 18, 'bought', s.rowid, k.n) || ' days', draw(8, 21, 'hour', s.rowid, k.n) || ':' || draw(10, 55, 'minute', s.rowid, k.n))
FROM shows s JOIN numbers k ON k.n <= 7
WHERE s.rowid NOT IN (6, 7) AND (s.rowid IN (4, 5) OR chance(0.62, 'sold', s.rowid, k.n)) ORDER BY s.rowid, k.n;

INSERT INTO held_seats
SELECT h.hold_id, e.seat_id FROM shows s JOIN numbers k ON k.n <= 7 JOIN holds h ON h.hold_id = 'hld_' || alnum(8, 'hold', s.rowid * 10 + k.n)
JOIN seats e ON e.show_id = s.show_id AND (e.place + 1) / 2 = k.n
ORDER BY e.rowid;

INSERT INTO orders
SELECT 'ord_' || alnum(8, 'order', h.rowid), h.hold_id, person(100 + h.rowid), email(person(100 + h.rowid), pick('mail', h.rowid)), pick('ways', h.rowid),
       s.rowid NOT IN (4, 5) AND chance(0.14, 'given back', h.rowid), at(h.expires_at, '-6 minutes')
FROM holds h JOIN shows s USING (show_id) ORDER BY h.rowid;

INSERT INTO tickets
SELECT 'tkt_' || alnum(8, 'ticket', e.rowid), o.order_id, e.seat_id,
       CASE WHEN NOT o.refunded AND e.place % 2 = 0 AND chance(0.3, 'passed on', e.rowid) THEN email(person(300 + e.rowid), pick('mail', 'friend', e.rowid)) ELSE o.email END
FROM orders o JOIN held_seats h USING (hold_id) JOIN seats e USING (seat_id) ORDER BY e.rowid;

-- Somebody is about to choose a seat of every show, and somebody has let their time run out.
INSERT INTO holds
SELECT 'hld_' || alnum(8, 'hold', 500 + s.rowid * 2 + k.n), s.show_id, at(now(), CASE k.n WHEN 1 THEN '+10 minutes' ELSE '-25 minutes' END)
FROM shows s JOIN numbers k ON k.n <= 2 WHERE s.rowid NOT IN (6, 7) ORDER BY s.rowid, k.n;

INSERT INTO declined_cards
SELECT email(person(700 + n), 'post.example') FROM numbers WHERE n <= 5 ORDER BY n;

--- invariant a seat is sold once
SELECT seat_id FROM tickets JOIN orders USING (order_id) WHERE NOT refunded GROUP BY seat_id HAVING count(*) > 1;
--- invariant nothing is sold before the sale begins
SELECT order_id FROM orders JOIN holds USING (hold_id) JOIN shows USING (show_id) WHERE sale_opens_at > now();
--- invariant tickets are for the seats that were held
SELECT ticket_id FROM tickets JOIN orders USING (order_id) WHERE seat_id NOT IN (SELECT seat_id FROM held_seats h WHERE h.hold_id = orders.hold_id);

--- tool search_shows
--- error city_not_served
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shows WHERE fold(city) = fold(:city));
--- page shows
SELECT show_id, performer, venue, starts_at FROM shows
WHERE fold(city) = fold(:city) AND starts_at > now() AND (:genre IS NULL OR genre = :genre)
  AND (:start_date IS NULL OR substr(starts_at, 1, 10) >= :start_date) AND (:end_date IS NULL OR substr(starts_at, 1, 10) <= :end_date)
ORDER BY starts_at, show_id;

--- tool list_seats
--- error show_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shows WHERE show_id = :show_id);
--- error show_sold_out
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM seats s WHERE s.show_id = :show_id
  AND NOT EXISTS (SELECT 1 FROM tickets t JOIN orders o USING (order_id) WHERE t.seat_id = s.seat_id AND NOT o.refunded));
--- result
SELECT NULL AS next_cursor;
--- rows seats
SELECT seat_id, seat_label, section, price_cents FROM seats s
WHERE show_id = :show_id AND (:section IS NULL OR section = :section) AND (:max_price_cents IS NULL OR price_cents <= :max_price_cents)
  AND NOT EXISTS (SELECT 1 FROM tickets t JOIN orders o USING (order_id) WHERE t.seat_id = s.seat_id AND NOT o.refunded)
  AND NOT EXISTS (
    SELECT 1 FROM held_seats x JOIN holds h USING (hold_id) WHERE x.seat_id = s.seat_id AND h.expires_at > now()
    AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.hold_id = h.hold_id))
ORDER BY place;

--- tool hold_seats
--- error show_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shows WHERE show_id = :show_id);
--- error seat_not_found
SELECT 1 FROM json_each(:seat_ids) w WHERE w.value NOT IN (SELECT seat_id FROM seats WHERE show_id = :show_id);
--- error sale_not_open
SELECT 1 FROM shows WHERE show_id = :show_id AND sale_opens_at > now();
--- error seat_taken
SELECT 1 FROM json_each(:seat_ids) w WHERE EXISTS (SELECT 1 FROM tickets t JOIN orders o USING (order_id) WHERE t.seat_id = w.value AND NOT o.refunded)
  OR EXISTS (SELECT 1 FROM held_seats x JOIN holds h USING (hold_id) WHERE x.seat_id = w.value AND h.expires_at > now()
             AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.hold_id = h.hold_id));
--- let
SELECT 'hld_' || alnum(8, 'hold', fresh(0)) AS hold_id;
--- do
INSERT INTO holds VALUES (:hold_id, :show_id, at(now(), '+10 minutes'));
INSERT OR IGNORE INTO held_seats SELECT :hold_id, value FROM json_each(:seat_ids);
--- result
SELECT hold_id, show_id, (SELECT json_group_array(seat_id) FROM (SELECT x.seat_id FROM held_seats x JOIN seats USING (seat_id) WHERE x.hold_id = h.hold_id ORDER BY place)) AS seat_ids,
       (SELECT sum(price_cents) FROM held_seats x JOIN seats USING (seat_id) WHERE x.hold_id = h.hold_id) AS total_cents, 'EUR' AS currency, expires_at, 'held' AS status
FROM holds h WHERE hold_id = :hold_id;

--- tool create_order
--- error hold_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM holds WHERE hold_id = :hold_id);
--- error hold_used
SELECT 1 FROM orders WHERE hold_id = :hold_id;
--- error hold_expired
SELECT 1 FROM holds WHERE hold_id = :hold_id AND expires_at <= now();
--- error payment_declined
SELECT 1 FROM declined_cards WHERE fold(email) = fold(:email);
--- let
SELECT 'ord_' || alnum(8, 'order', fresh(0)) AS order_id;
--- do
INSERT INTO orders VALUES (:order_id, :hold_id, :buyer_name, :email, coalesce(:delivery, 'mail'), 0, now());
INSERT INTO tickets
SELECT 'tkt_' || alnum(8, 'ticket', fresh(row_number() OVER (ORDER BY seat_id))), :order_id, seat_id, :email FROM held_seats WHERE hold_id = :hold_id ORDER BY seat_id;
--- result
SELECT order_id, hold_id, buyer_name, email, delivery,
       (SELECT sum(price_cents) FROM held_seats x JOIN seats USING (seat_id) WHERE x.hold_id = o.hold_id) AS total_cents, 'EUR' AS currency, 'paid' AS status
FROM orders o WHERE order_id = :order_id;

--- tool get_order
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- result
SELECT order_id, hold_id, show_id, buyer_name, email, delivery,
       (SELECT sum(price_cents) FROM held_seats x JOIN seats USING (seat_id) WHERE x.hold_id = o.hold_id) AS total_cents, 'EUR' AS currency,
       CASE WHEN refunded THEN 'refunded' ELSE 'paid' END AS status, created_at
FROM orders o JOIN holds USING (hold_id) WHERE order_id = :order_id;
--- rows tickets
SELECT ticket_id, seat_label, holder_email FROM tickets JOIN seats USING (seat_id) WHERE order_id = :order_id ORDER BY place;

--- tool transfer_ticket
--- error ticket_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tickets WHERE ticket_id = :ticket_id);
--- error ticket_void
SELECT 1 FROM tickets JOIN orders USING (order_id) WHERE ticket_id = :ticket_id AND refunded;
--- error doors_open
SELECT 1 FROM tickets JOIN seats USING (seat_id) JOIN shows USING (show_id) WHERE ticket_id = :ticket_id AND starts_at <= at(now(), '+60 minutes');
--- do
UPDATE tickets SET holder_email = :holder_email WHERE ticket_id = :ticket_id;
--- result
SELECT ticket_id, order_id, holder_email, 'transferred' AS status FROM tickets WHERE ticket_id = :ticket_id;

--- tool cancel_order
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- error already_refunded
SELECT 1 FROM orders WHERE order_id = :order_id AND refunded;
--- error refund_window_closed
SELECT 1 FROM orders JOIN holds USING (hold_id) JOIN shows USING (show_id) WHERE order_id = :order_id AND starts_at < at(now(), '+2 days');
--- do
UPDATE orders SET refunded = 1 WHERE order_id = :order_id;
--- result
SELECT order_id, (SELECT sum(price_cents - 250) FROM held_seats x JOIN seats USING (seat_id) WHERE x.hold_id = o.hold_id) AS refund_cents, 'EUR' AS currency,
       'refunded' AS status
FROM orders o WHERE order_id = :order_id;

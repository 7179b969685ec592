-- Basalt Outfitters: gear for climbers and cavers. Money is in euro cents; moments are UTC.
-- What lies in an open cart is reserved; a cart is dropped 48 hours after it was started.

--- tables
CREATE TABLE countries (
  country_code TEXT PRIMARY KEY,
  standard_cents INTEGER NOT NULL,
  express_cents INTEGER NOT NULL
);
CREATE TABLE products (
  product_id TEXT PRIMARY KEY,
  product_name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('ropes', 'hardware', 'harnesses', 'helmets', 'lighting', 'clothing')),
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  pieces INTEGER NOT NULL CHECK (pieces >= 0),
  safety_norm TEXT,
  weight_grams INTEGER NOT NULL
);
CREATE TABLE product_sizes (
  product_id TEXT NOT NULL REFERENCES products,
  size TEXT NOT NULL,
  place INTEGER NOT NULL,
  in_stock INTEGER NOT NULL CHECK (in_stock IN (0, 1)),
  PRIMARY KEY (product_id, size)
);
CREATE TABLE shoppers (
  email TEXT PRIMARY KEY,
  shopper_name TEXT NOT NULL,
  country_code TEXT NOT NULL,
  address TEXT NOT NULL,
  city TEXT NOT NULL,
  postal_code TEXT NOT NULL,
  card_works INTEGER NOT NULL CHECK (card_works IN (0, 1))
);
CREATE TABLE coupons (
  coupon_code TEXT PRIMARY KEY,
  percent INTEGER NOT NULL CHECK (percent BETWEEN 5 AND 30),
  minimum_cents INTEGER NOT NULL,
  last_day TEXT NOT NULL
);
CREATE TABLE carts (
  cart_id TEXT PRIMARY KEY,
  email TEXT NOT NULL,
  country_code TEXT NOT NULL REFERENCES countries,
  coupon_code TEXT REFERENCES coupons,
  is_ordered INTEGER NOT NULL CHECK (is_ordered IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE cart_items (
  cart_item_id TEXT PRIMARY KEY,
  cart_id TEXT NOT NULL REFERENCES carts,
  product_id TEXT NOT NULL REFERENCES products,
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 25),
  size TEXT
);
CREATE INDEX items_by_cart ON cart_items (cart_id);
CREATE INDEX items_by_product ON cart_items (product_id);
CREATE TABLE orders (
  order_id TEXT PRIMARY KEY,
  cart_id TEXT NOT NULL UNIQUE REFERENCES carts,
  address TEXT NOT NULL,
  city TEXT NOT NULL,
  postal_code TEXT NOT NULL,
  shipping_speed TEXT NOT NULL CHECK (shipping_speed IN ('standard', 'express')),
  status TEXT NOT NULL CHECK (status IN ('paid', 'packed', 'shipped', 'delivered')),
  tracking_number TEXT,
  created_at TEXT NOT NULL,
  CHECK ((status IN ('shipped', 'delivered')) = (tracking_number IS NOT NULL))
);

--- populate
INSERT INTO countries
SELECT value, 690, 1290 FROM json_each('["AT","DE","IT","FR","SI","ES","NL","BE","SE"]') ORDER BY key;

INSERT INTO products
SELECT 'bo_' || digits(6, 'product', n), nth('products', n, 'name'), nth('products', n, 'kind'), nth('products', n, 'category'),
       nth('products', n, 'cents'), CASE WHEN n <= 4 THEN 0 WHEN n <= 9 THEN draw(2, 4, 'few', n) ELSE draw(24, 70, 'pieces', n) END,
       nth('products', n, 'norm'), nth('products', n, 'grams')
FROM numbers WHERE n <= 56 ORDER BY n;

INSERT INTO product_sizes
SELECT p.product_id, z.value, z.key, chance(0.8, 'size', p.product_id, z.value)
FROM products p JOIN json_each(nth('products', p.rowid, 'sizes')) z
ORDER BY p.rowid, z.key;

INSERT INTO shoppers
SELECT email(person(n), pick('mail', n)), person(n), nth('homes', 1 + n % 15, 'country'),
       CASE WHEN nth('homes', 1 + n % 15, 'country') IN ('FR', 'BE') THEN draw(2, 90, 'house', n) || ' ' || nth('homes', 1 + n % 15, 'street')
            ELSE nth('homes', 1 + n % 15, 'street') || ' ' || draw(2, 90, 'house', n) END,
       nth('homes', 1 + n % 15, 'city'), nth('homes', 1 + n % 15, 'postal'), chance(0.85, 'card', n)
FROM numbers WHERE n <= 60 ORDER BY n;

-- Three coupons are valid, of them one for large orders alone, two have run out.
INSERT INTO coupons
SELECT nth('coupon_words', n) || '-' || (5 * draw(2, 4, 'percent', n)), 5 * draw(2, 4, 'percent', n),
       CASE n WHEN 3 THEN 30000 WHEN 2 THEN 8000 ELSE 2500 END,
       at(now(), CASE WHEN n <= 3 THEN '+' ELSE '-' END || draw(5, 40, 'until', n) || ' days', 'date')
FROM numbers WHERE n <= 5 ORDER BY n;

-- Carts 1 to 34 were ordered in the last two weeks, 35 to 58 are open; the last four of these are empty.
INSERT INTO carts
SELECT 'crt_' || alnum(10, 'cart', n), s.email, s.country_code, NULL, n <= 34,
       CASE WHEN n <= 34 THEN at(now(), '-' || (n * 9 + draw(1, 8, 'age', n)) || ' hours', '-' || draw(1, 59, 'minute', n) || ' minutes')
            ELSE at(now(), '-' || draw(10, 2300, 'age', n) || ' minutes') END
FROM numbers JOIN shoppers s ON s.rowid = n WHERE n <= 58 ORDER BY n;

INSERT INTO cart_items
SELECT 'cit_' || alnum(8, 'item', c.n * 4 + k.n), c.cart_id, p.product_id, draw(1, CASE p.category WHEN 'hardware' THEN 4 ELSE 1 END, 'quantity', c.n, k.n),
       (SELECT substr(min(draw(1000, 9999, 'which', c.n, z.size) || z.size), 5) FROM product_sizes z WHERE z.product_id = p.product_id AND in_stock)
FROM (SELECT rowid AS n, cart_id FROM carts) c JOIN numbers k ON k.n <= draw(1, 3, 'items', c.n)
JOIN products p ON p.rowid = 10 + (c.n * 7 + k.n * 11) % 31
WHERE c.n <= 54
  AND (NOT EXISTS (SELECT 1 FROM product_sizes z WHERE z.product_id = p.product_id)
       OR EXISTS (SELECT 1 FROM product_sizes z WHERE z.product_id = p.product_id AND in_stock))
ORDER BY c.n, k.n;

INSERT INTO orders
SELECT 'bor_' || digits(9, 'order', c.n), c.cart_id, s.address, s.city, s.postal_code,
       CASE WHEN chance(0.25, 'express', c.n) THEN 'express' ELSE 'standard' END, status,
       CASE WHEN status IN ('shipped', 'delivered') THEN 'BX' || digits(10, 'parcel', c.n) END, at(c.created_at, '+12 minutes')
FROM (SELECT rowid AS n, cart_id, email, created_at, CASE WHEN rowid <= 3 THEN 'paid' WHEN rowid <= 7 THEN 'packed' WHEN rowid <= 17 THEN 'shipped' ELSE 'delivered' END AS status
      FROM carts WHERE is_ordered) c JOIN shoppers s USING (email)
WHERE EXISTS (SELECT 1 FROM cart_items i WHERE i.cart_id = c.cart_id)
ORDER BY c.n;

--- invariant no more is reserved than there is
SELECT p.product_id FROM products p
WHERE pieces < (SELECT coalesce(sum(i.quantity), 0) FROM cart_items i JOIN carts c USING (cart_id)
                WHERE i.product_id = p.product_id AND NOT c.is_ordered AND c.created_at > at(now(), '-48 hours'));
--- invariant an item has a size where its product comes in sizes
SELECT cart_item_id FROM cart_items i
WHERE (i.size IS NOT NULL) <> EXISTS (SELECT 1 FROM product_sizes z WHERE z.product_id = i.product_id);
--- invariant an order has a cart that was ordered
SELECT order_id FROM orders JOIN carts USING (cart_id) WHERE NOT is_ordered;

--- tool search_products
--- error search_unavailable
SELECT 1 WHERE length(trim(:query)) < 3;
--- page products
SELECT product_id, product_name, category, price_cents, stock FROM (
  SELECT p.*, max(0, pieces - (SELECT coalesce(sum(i.quantity), 0) FROM cart_items i JOIN carts c USING (cart_id)
                               WHERE i.product_id = p.product_id AND NOT c.is_ordered AND c.created_at > at(now(), '-48 hours'))) AS stock
  FROM products p)
WHERE matches(product_name || ' ' || kind || ' ' || category, :query) AND (:category IS NULL OR category = :category)
  AND (:max_price_cents IS NULL OR price_cents <= :max_price_cents) AND (NOT :in_stock_only OR stock > 0)
ORDER BY product_name;

--- tool get_product
--- error product_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM products WHERE product_id = :product_id);
--- result
SELECT product_id, product_name, category, price_cents,
       max(0, pieces - (SELECT coalesce(sum(i.quantity), 0) FROM cart_items i JOIN carts c USING (cart_id)
                        WHERE i.product_id = p.product_id AND NOT c.is_ordered AND c.created_at > at(now(), '-48 hours'))) AS stock,
       safety_norm, weight_grams
FROM products p WHERE product_id = :product_id;
--- rows sizes
SELECT size FROM product_sizes WHERE product_id = :product_id AND in_stock ORDER BY place;

--- tool create_cart
--- error country_not_served
SELECT 1 WHERE :country_code NOT IN (SELECT country_code FROM countries);
--- let
SELECT 'crt_' || alnum(10, 'cart', 20000 + fresh(0)) AS cart_id;
--- do
INSERT INTO carts VALUES (:cart_id, :email, :country_code, NULL, 0, now());
--- result
SELECT cart_id, email, country_code, 'open' AS status, at(created_at, '+48 hours') AS expires_at FROM carts WHERE cart_id = :cart_id;

--- tool add_cart_item
--- error cart_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM carts WHERE cart_id = :cart_id);
--- error cart_not_open
SELECT 1 FROM carts WHERE cart_id = :cart_id AND (is_ordered OR created_at <= at(now(), '-48 hours'));
--- error product_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM products WHERE product_id = :product_id);
--- error size_required
SELECT 1 WHERE :size IS NULL AND EXISTS (SELECT 1 FROM product_sizes WHERE product_id = :product_id);
--- error size_not_in_stock
SELECT 1 WHERE :size IS NOT NULL AND NOT EXISTS (SELECT 1 FROM product_sizes WHERE product_id = :product_id AND size = :size AND in_stock);
--- error not_enough_stock
SELECT 1 FROM products p
WHERE product_id = :product_id
  AND pieces - (SELECT coalesce(sum(i.quantity), 0) FROM cart_items i JOIN carts c USING (cart_id)
                WHERE i.product_id = p.product_id AND NOT c.is_ordered AND c.created_at > at(now(), '-48 hours')) < :quantity;
--- let
SELECT 'cit_' || alnum(8, 'item', 20000 + fresh(0)) AS cart_item_id;
--- do
INSERT INTO cart_items VALUES (:cart_item_id, :cart_id, :product_id, :quantity, :size);
--- result
SELECT i.cart_item_id, i.cart_id, i.product_id, i.quantity, i.size,
       t.total - CASE WHEN t.total >= k.minimum_cents THEN t.total * k.percent / 100 ELSE 0 END AS subtotal_cents
FROM cart_items i JOIN carts c USING (cart_id) LEFT JOIN coupons k USING (coupon_code)
JOIN (SELECT cart_id, sum(quantity * price_cents) AS total FROM cart_items JOIN products USING (product_id) WHERE cart_id = :cart_id GROUP BY cart_id) t USING (cart_id)
WHERE i.cart_item_id = :cart_item_id;

--- tool remove_cart_item
--- error cart_item_not_found
SELECT 1 WHERE NOT EXISTS (
  SELECT 1 FROM cart_items i JOIN carts c USING (cart_id)
  WHERE i.cart_item_id = :cart_item_id AND NOT c.is_ordered AND c.created_at > at(now(), '-48 hours'));
--- let
SELECT cart_id FROM cart_items WHERE cart_item_id = :cart_item_id;
--- do
DELETE FROM cart_items WHERE cart_item_id = :cart_item_id;
--- result
SELECT :cart_item_id AS cart_item_id, c.cart_id, 1 AS removed,
       t.total - CASE WHEN t.total >= k.minimum_cents THEN t.total * k.percent / 100 ELSE 0 END AS subtotal_cents
FROM carts c LEFT JOIN coupons k USING (coupon_code)
JOIN (SELECT coalesce(sum(quantity * price_cents), 0) AS total FROM cart_items JOIN products USING (product_id) WHERE cart_id = :cart_id) t
WHERE c.cart_id = :cart_id;

--- tool apply_coupon
--- error cart_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM carts WHERE cart_id = :cart_id);
--- error cart_not_open
SELECT 1 FROM carts WHERE cart_id = :cart_id AND (is_ordered OR created_at <= at(now(), '-48 hours'));
--- error coupon_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM coupons WHERE coupon_code = :coupon_code);
--- error coupon_expired
SELECT 1 FROM coupons WHERE coupon_code = :coupon_code AND last_day < at(now(), 'date');
--- error minimum_spend_not_met
SELECT 1 FROM coupons
WHERE coupon_code = :coupon_code
  AND minimum_cents > (SELECT coalesce(sum(quantity * price_cents), 0) FROM cart_items JOIN products USING (product_id) WHERE cart_id = :cart_id);
--- do
UPDATE carts SET coupon_code = :coupon_code WHERE cart_id = :cart_id;
--- result
SELECT c.cart_id, k.coupon_code, t.total * k.percent / 100 AS discount_cents, t.total - t.total * k.percent / 100 AS subtotal_cents
FROM carts c JOIN coupons k USING (coupon_code)
JOIN (SELECT sum(quantity * price_cents) AS total FROM cart_items JOIN products USING (product_id) WHERE cart_id = :cart_id) t
WHERE c.cart_id = :cart_id;

--- tool place_order
--- error cart_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM carts WHERE cart_id = :cart_id);
--- error cart_not_open
SELECT 1 FROM carts WHERE cart_id = :cart_id AND (is_ordered OR created_at <= at(now(), '-48 hours'));
--- error cart_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM cart_items WHERE cart_id = :cart_id);
--- error payment_declined
SELECT 1 FROM carts JOIN shoppers USING (email) WHERE cart_id = :cart_id AND NOT card_works;
--- let
SELECT 'bor_' || digits(9, 'order', 20000 + fresh(0)) AS order_id;
--- do
UPDATE products SET pieces = pieces - (SELECT sum(i.quantity) FROM cart_items i WHERE i.cart_id = :cart_id AND i.product_id = products.product_id)
WHERE product_id IN (SELECT product_id FROM cart_items WHERE cart_id = :cart_id);
UPDATE carts SET is_ordered = 1 WHERE cart_id = :cart_id;
INSERT INTO orders VALUES
  (:order_id, :cart_id, :shipping_address ->> '$.address', :shipping_address ->> '$.city', :shipping_address ->> '$.postal_code',
   :shipping_speed, 'paid', NULL, now());
--- result
SELECT o.order_id, o.cart_id, o.shipping_speed,
       t.total - CASE WHEN t.total >= k.minimum_cents THEN t.total * k.percent / 100 ELSE 0 END
       + CASE o.shipping_speed WHEN 'express' THEN n.express_cents ELSE n.standard_cents END AS total_cents, o.status
FROM orders o JOIN carts c USING (cart_id) JOIN countries n USING (country_code) LEFT JOIN coupons k USING (coupon_code)
JOIN (SELECT sum(quantity * price_cents) AS total FROM cart_items JOIN products USING (product_id) WHERE cart_id = :cart_id) t
WHERE o.order_id = :order_id;

--- tool get_order
--- error order_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE order_id = :order_id);
--- result
SELECT o.order_id, o.cart_id, o.address AS "shipping_address.address", o.city AS "shipping_address.city",
       o.postal_code AS "shipping_address.postal_code", o.shipping_speed,
       t.total - CASE WHEN t.total >= k.minimum_cents THEN t.total * k.percent / 100 ELSE 0 END
       + CASE o.shipping_speed WHEN 'express' THEN n.express_cents ELSE n.standard_cents END AS total_cents,
       o.status, o.tracking_number, o.created_at
FROM orders o JOIN carts c USING (cart_id) JOIN countries n USING (country_code) LEFT JOIN coupons k USING (coupon_code)
JOIN (SELECT cart_id, sum(quantity * price_cents) AS total FROM cart_items JOIN products USING (product_id) GROUP BY cart_id) t USING (cart_id)
WHERE o.order_id = :order_id;

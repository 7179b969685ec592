-- Copperladle Costing: the recipe book of a restaurant kitchen. Moments are UTC; money is in euro cents.
-- What a portion costs and which allergens a recipe holds follow from its ingredients.

--- tables
CREATE TABLE kitchen (
  offline_at INTEGER                    -- after how many calls the printer dropped out, for a moment
);
CREATE TABLE ingredients (
  ingredient_id TEXT PRIMARY KEY,
  ingredient_name TEXT NOT NULL UNIQUE,
  unit TEXT NOT NULL CHECK (unit IN ('g', 'ml', 'piece')),
  cents_per_unit REAL NOT NULL CHECK (cents_per_unit > 0),
  updating INTEGER NOT NULL CHECK (updating IN (0, 1))
);
CREATE TABLE ingredient_allergens (
  ingredient_id TEXT NOT NULL REFERENCES ingredients,
  allergen TEXT NOT NULL CHECK (allergen IN ('gluten', 'milk', 'egg', 'nuts', 'soy', 'fish', 'celery', 'sesame')),
  PRIMARY KEY (ingredient_id, allergen)
);
CREATE TABLE recipes (
  recipe_id TEXT PRIMARY KEY,
  recipe_name TEXT NOT NULL UNIQUE,
  portions INTEGER NOT NULL CHECK (portions BETWEEN 1 AND 500),
  course TEXT NOT NULL CHECK (course IN ('starter', 'main', 'dessert', 'side', 'sauce')),
  method TEXT,
  created_at TEXT NOT NULL
);
CREATE TABLE recipe_lines (
  recipe_id TEXT NOT NULL REFERENCES recipes,
  ingredient_id TEXT NOT NULL REFERENCES ingredients,
  place INTEGER NOT NULL,
  quantity REAL NOT NULL CHECK (quantity > 0),
  waste_percent REAL NOT NULL CHECK (waste_percent BETWEEN 0 AND 90),
  PRIMARY KEY (recipe_id, ingredient_id)
);
CREATE TABLE menus (
  menu_id TEXT PRIMARY KEY,
  menu_title TEXT NOT NULL,
  service_date TEXT NOT NULL,
  published INTEGER NOT NULL CHECK (published IN (0, 1)),
  show_allergens INTEGER NOT NULL CHECK (show_allergens IN (0, 1)),
  UNIQUE (menu_title, service_date)
);
CREATE TABLE menu_dishes (
  menu_dish_id TEXT PRIMARY KEY,
  menu_id TEXT NOT NULL REFERENCES menus,
  recipe_id TEXT NOT NULL REFERENCES recipes,
  price_cents INTEGER NOT NULL CHECK (price_cents BETWEEN 50 AND 50000),
  UNIQUE (menu_id, recipe_id)
);

--- populate
INSERT INTO kitchen VALUES (NULL);

INSERT INTO ingredients
SELECT 'ing_' || digits(5, 'ingredient', n), nth('ingredients', n, 'name'), nth('ingredients', n, 'unit'),
       round(nth('ingredients', n, 'price') * draw(92, 112, 'price', n) / 100.0
             / CASE nth('ingredients', n, 'unit') WHEN 'piece' THEN 1 ELSE 1000 END, 3),
       nth('ingredients', n, 'updating')
FROM numbers WHERE n <= 69 ORDER BY n;

INSERT INTO ingredient_allergens
SELECT i.ingredient_id, a.value
FROM ingredients i JOIN numbers k ON k.n <= 69 AND nth('ingredients', k.n, 'name') = i.ingredient_name,
     json_each(nth('ingredients', k.n, 'allergens')) a
ORDER BY i.rowid, a.value;

-- The last four recipes are names without ingredients so far.
INSERT INTO recipes
SELECT 'rcp_' || alnum(7, 'recipe', n), nth('recipes', n, 'name'), 10 * draw(1, 4, 'portions', n), nth('recipes', n, 'course'), NULL,
       at(now(), '-' || draw(8, 300, 'written', n) || ' days', draw(8, 22, 'hour', n) || ':10')
FROM numbers WHERE n <= 24 ORDER BY n;
INSERT INTO recipes
SELECT 'rcp_' || alnum(7, 'recipe', 100 + n), nth('ideas', n, 'name'), 10 * draw(1, 3, 'idea', n), nth('ideas', n, 'course'), NULL,
       at(now(), '-' || draw(1, 6, 'idea age', n) || ' days', '22:40')
FROM numbers WHERE n <= 4 ORDER BY n;

INSERT INTO recipe_lines
SELECT r.recipe_id, i.ingredient_id, l.key + 1, (l.value ->> '$[1]') * r.portions / 10.0, l.value ->> '$[2]'
FROM recipes r JOIN numbers k ON k.n <= 24 AND nth('recipes', k.n, 'name') = r.recipe_name, json_each(nth('recipes', k.n, 'lines')) l
JOIN ingredients i ON i.ingredient_name = l.value ->> '$[0]'
ORDER BY r.rowid, l.key;

-- Menus from three days ago to five days ahead; those of today and before are published.
INSERT INTO menus
SELECT 'mnu_' || alnum(6, 'menu', d.n * 3 + k.n), nth('menu_titles', 1 + (d.n + k.n) % 6), at(now(), (d.n - 4) || ' days', 'date'),
       d.n <= 4 OR d.n = 5 AND k.n = 1, 1
FROM numbers d JOIN numbers k ON k.n <= 2 WHERE d.n <= 9 ORDER BY d.n, k.n;

INSERT OR IGNORE INTO menu_dishes
SELECT 'dsh_' || alnum(7, 'dish', m.rowid * 6 + k.n), m.menu_id, r.recipe_id,
       50 * CAST((SELECT sum(q.quantity * i.cents_per_unit) FROM recipe_lines q JOIN ingredients i USING (ingredient_id) WHERE q.recipe_id = r.recipe_id)
                 / r.portions / 0.3 / 50 + 1 AS INTEGER)
FROM menus m JOIN numbers k ON k.n <= 4 JOIN recipes r ON r.rowid = 1 + (m.rowid * 5 + k.n * 7) % 24
WHERE r.course <> 'sauce' ORDER BY m.rowid, k.n;

--- invariant a menu that is published has a dish
SELECT menu_id FROM menus m WHERE published AND NOT EXISTS (SELECT 1 FROM menu_dishes d WHERE d.menu_id = m.menu_id);
--- invariant ingredients of a recipe are numbered
SELECT recipe_id FROM recipe_lines GROUP BY recipe_id HAVING max(place) <> count(*);

--- tool search_ingredients
--- error price_list_updating
SELECT 1 FROM ingredients WHERE updating AND matches(ingredient_name, :query);
--- page ingredients
SELECT ingredient_id, ingredient_name, unit, cents_per_unit,
       (SELECT json_group_array(allergen) FROM (SELECT allergen FROM ingredient_allergens a WHERE a.ingredient_id = i.ingredient_id ORDER BY allergen)) AS allergens
FROM ingredients i
WHERE matches(ingredient_name, :query)
  AND NOT EXISTS (SELECT 1 FROM ingredient_allergens a JOIN json_each(coalesce(:free_from, '[]')) f ON f.value = a.allergen
                  WHERE a.ingredient_id = i.ingredient_id)
ORDER BY ingredient_name;

--- tool create_recipe
--- error recipe_name_taken
SELECT 1 FROM recipes WHERE fold(recipe_name) = fold(:recipe_name);
--- let
SELECT 'rcp_' || alnum(7, 'recipe', 1000 + fresh(0)) AS recipe_id;
--- do
INSERT INTO recipes VALUES (:recipe_id, :recipe_name, :portions, :course, :method, now());
--- result
SELECT recipe_id, recipe_name, portions, course, method, 'draft' AS recipe_status FROM recipes WHERE recipe_id = :recipe_id;

--- tool add_recipe_ingredient
--- error recipe_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipes WHERE recipe_id = :recipe_id);
--- error ingredient_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ingredients WHERE ingredient_id = :ingredient_id);
--- error ingredient_already_in_recipe
SELECT 1 FROM recipe_lines WHERE recipe_id = :recipe_id AND ingredient_id = :ingredient_id;
--- do
INSERT INTO recipe_lines SELECT :recipe_id, :ingredient_id, 1 + (SELECT count(*) FROM recipe_lines WHERE recipe_id = :recipe_id), :quantity, :waste_percent;
--- result
SELECT recipe_id, ingredient_id, quantity, waste_percent, (SELECT count(*) FROM recipe_lines o WHERE o.recipe_id = l.recipe_id) AS ingredient_count
FROM recipe_lines l WHERE recipe_id = :recipe_id AND ingredient_id = :ingredient_id;

--- tool calculate_recipe_cost
--- error recipe_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipes WHERE recipe_id = :recipe_id);
--- error recipe_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipe_lines WHERE recipe_id = :recipe_id);
--- let
SELECT CAST(round(sum(quantity * cents_per_unit) / portions) AS INTEGER) AS cost
FROM recipes JOIN recipe_lines USING (recipe_id) JOIN ingredients USING (ingredient_id) WHERE recipe_id = :recipe_id;
--- result
SELECT :recipe_id AS recipe_id, :margin_percent AS margin_percent, :cost AS portion_cost_cents,
       CAST(round(:cost * 100.0 / (100 - :margin_percent)) AS INTEGER) AS suggested_price_cents, substr(now(), 1, 10) AS priced_on;

--- tool get_recipe
--- error recipe_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipes WHERE recipe_id = :recipe_id);
--- result
SELECT recipe_id, recipe_name, portions, course, method,
       CASE WHEN EXISTS (SELECT 1 FROM menu_dishes d WHERE d.recipe_id = r.recipe_id) THEN 'on_menu' ELSE 'draft' END AS recipe_status,
       created_at
FROM recipes r WHERE recipe_id = :recipe_id;
--- rows ingredients
SELECT ingredient_id, ingredient_name, quantity, unit, waste_percent
FROM recipe_lines JOIN ingredients USING (ingredient_id) WHERE recipe_id = :recipe_id ORDER BY place, ingredient_id;
--- rows allergens
SELECT DISTINCT allergen FROM recipe_lines JOIN ingredient_allergens USING (ingredient_id) WHERE recipe_id = :recipe_id ORDER BY allergen;

--- tool create_menu
--- error day_passed
SELECT 1 WHERE :service_date < substr(now(), 1, 10);
--- error menu_exists
SELECT 1 FROM menus WHERE fold(menu_title) = fold(:menu_title) AND service_date = :service_date;
--- let
SELECT 'mnu_' || alnum(6, 'menu', 1000 + fresh(0)) AS menu_id;
--- do
INSERT INTO menus VALUES (:menu_id, :menu_title, :service_date, 0, 1);
--- result
SELECT menu_id, menu_title, service_date, 'unpublished' AS menu_status FROM menus WHERE menu_id = :menu_id;

--- tool add_menu_dish
--- error menu_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM menus WHERE menu_id = :menu_id);
--- error recipe_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM recipes WHERE recipe_id = :recipe_id);
--- error menu_published
SELECT 1 FROM menus WHERE menu_id = :menu_id AND published;
--- error dish_already_on_menu
SELECT 1 FROM menu_dishes WHERE menu_id = :menu_id AND recipe_id = :recipe_id;
--- let
SELECT 'dsh_' || alnum(7, 'dish', 1000 + fresh(0)) AS menu_dish_id;
--- do
INSERT INTO menu_dishes VALUES (:menu_dish_id, :menu_id, :recipe_id, :price_cents);
--- result
SELECT menu_dish_id, menu_id, recipe_id, price_cents, 'on_menu' AS recipe_status FROM menu_dishes WHERE menu_dish_id = :menu_dish_id;

--- tool publish_menu
--- error menu_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM menus WHERE menu_id = :menu_id);
--- error already_published
SELECT 1 FROM menus WHERE menu_id = :menu_id AND published;
--- error menu_empty
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM menu_dishes WHERE menu_id = :menu_id);
--- error printer_offline
SELECT 1 FROM kitchen WHERE offline_at = turn() - 1;
--- do
UPDATE menus SET published = 1, show_allergens = :show_allergens WHERE menu_id = :menu_id;
--- result
SELECT menu_id, show_allergens, (SELECT count(*) FROM menu_dishes d WHERE d.menu_id = m.menu_id) AS dish_count,
       'https://menu.copperladle.example/' || substr(menu_id, 5) AS url, 'published' AS menu_status
FROM menus m WHERE menu_id = :menu_id;

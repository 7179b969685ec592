-- Fennel Abacus: calculation sheets of one small office that builds, heats and bakes. Moments are UTC.
-- A formula's result is worked out from the variables of its sheet whenever it is read, and rounded to the sheet's places.

--- tables
CREATE TABLE units (
  symbol TEXT PRIMARY KEY,
  dimension TEXT NOT NULL,
  factor REAL NOT NULL CHECK (factor > 0),   -- of the dimension's base unit
  zero REAL NOT NULL                         -- where its zero lies, in the base unit
);
CREATE TABLE reserved (
  name TEXT PRIMARY KEY
);
CREATE TABLE sheets (
  sheet_id TEXT PRIMARY KEY,
  sheet_title TEXT NOT NULL,
  decimal_places INTEGER NOT NULL CHECK (decimal_places BETWEEN 0 AND 12),
  locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE TABLE variables (
  sheet_id TEXT NOT NULL REFERENCES sheets,
  variable_name TEXT NOT NULL,
  value REAL NOT NULL,
  unit TEXT,
  place INTEGER NOT NULL,
  PRIMARY KEY (sheet_id, variable_name)
);
CREATE TABLE formulas (
  formula_id TEXT PRIMARY KEY,
  sheet_id TEXT NOT NULL REFERENCES sheets,
  formula_label TEXT NOT NULL,
  expression TEXT NOT NULL
);
CREATE INDEX formulas_by_sheet ON formulas (sheet_id);

--- populate
INSERT INTO units SELECT nth('units', n, 'symbol'), nth('units', n, 'dimension'), nth('units', n, 'factor'), nth('units', n, 'zero') FROM numbers WHERE n <= 28 ORDER BY n;
INSERT INTO reserved SELECT value FROM json_each('["abs","ceil","exp","floor","ln","log","sqrt","cos","sin","tan","pi","e"]') ORDER BY value;

-- Two sheets of each kind, with values of their own; every fifth is locked.
INSERT INTO sheets
SELECT 'sht_' || alnum(8, 'sheet', n), nth('kinds', 1 + (n - 1) % 8, 'title') || CASE WHEN n > 8 THEN ', ' || nth('kinds', 1 + (n - 1) % 8, CASE draw(1, 2, 'place', n) WHEN 1 THEN 'one' ELSE 'two' END) ELSE '' END, 2, n % 5 = 3,
       at(now(), '-' || draw(3, 300, 'made', n) || ' days', draw(8, 17, 'hour', n) || ':' || draw(10, 55, 'minute', n))
FROM numbers WHERE n <= 16 ORDER BY n;

INSERT INTO variables
SELECT s.sheet_id, nth('variables', v.n, 'name'), round(nth('variables', v.n, 'low') + (nth('variables', v.n, 'high') - nth('variables', v.n, 'low')) * draw(0, 20, 'value', s.rowid, v.n) / 20.0, 2),
       nullif(nth('variables', v.n, 'unit'), ''), nth('variables', v.n, 'place')
FROM sheets s JOIN numbers v ON v.n <= 27 AND nth('variables', v.n, 'kind') = nth('kinds', 1 + (s.rowid - 1) % 8, 'kind') ORDER BY s.rowid, nth('variables', v.n, 'place');

INSERT INTO formulas
SELECT 'fml_' || alnum(8, 'formula', s.rowid * 20 + f.n), s.sheet_id, nth('formulas', f.n, 'label'), nth('formulas', f.n, 'expression')
FROM sheets s JOIN numbers f ON f.n <= 14 AND nth('formulas', f.n, 'kind') = nth('kinds', 1 + (s.rowid - 1) % 8, 'kind') ORDER BY s.rowid, nth('formulas', f.n, 'label');

--- invariant every formula can be worked out
SELECT formula_id FROM formulas f WHERE calculate(expression, (SELECT json_group_object(variable_name, value) FROM variables v WHERE v.sheet_id = f.sheet_id)) = 'variable_unset';

--- tool convert_units
--- error unit_unknown
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM units WHERE symbol = :from_unit) OR NOT EXISTS (SELECT 1 FROM units WHERE symbol = :to_unit);
--- error dimension_mismatch
SELECT 1 FROM units a, units b WHERE a.symbol = :from_unit AND b.symbol = :to_unit AND a.dimension <> b.dimension;
--- result
SELECT significant((:value * a.factor + a.zero - b.zero) / b.factor, :significant_digits) AS converted_value, b.symbol AS to_unit, b.dimension
FROM units a, units b WHERE a.symbol = :from_unit AND b.symbol = :to_unit;

--- tool evaluate_expression
--- error syntax_error
SELECT 1 WHERE calculate(:expression, NULL, :angle_unit) IN ('syntax_error', 'variable_unset');
--- error division_by_zero
SELECT 1 WHERE calculate(:expression, NULL, :angle_unit) = 'division_by_zero';
--- result
SELECT :expression AS expression, calculate(:expression, NULL, :angle_unit) AS result;

--- tool create_sheet
--- error sheet_limit_reached
SELECT 1 WHERE (SELECT count(*) FROM sheets) >= 20;
--- let
SELECT 'sht_' || alnum(8, 'sheet', fresh(0)) AS sheet_id;
--- do
INSERT INTO sheets VALUES (:sheet_id, :sheet_title, :decimal_places, 0, now());
--- result
SELECT sheet_id, sheet_title, decimal_places, 'unlocked' AS status FROM sheets WHERE sheet_id = :sheet_id;

--- tool set_variable
--- error sheet_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sheets WHERE sheet_id = :sheet_id);
--- error reserved_name
SELECT 1 FROM reserved WHERE name = :variable_name;
--- error sheet_locked
SELECT 1 FROM sheets WHERE sheet_id = :sheet_id AND locked;
--- do
INSERT OR REPLACE INTO variables
SELECT :sheet_id, :variable_name, :value, coalesce(:unit, (SELECT unit FROM variables WHERE sheet_id = :sheet_id AND variable_name = :variable_name)),
       coalesce((SELECT place FROM variables WHERE sheet_id = :sheet_id AND variable_name = :variable_name), (SELECT 1 + count(*) FROM variables WHERE sheet_id = :sheet_id));
--- result
SELECT sheet_id, variable_name, value, unit, (SELECT count(*) FROM variables o WHERE o.sheet_id = v.sheet_id) AS variable_count
FROM variables v WHERE sheet_id = :sheet_id AND variable_name = :variable_name;

--- tool add_formula
--- error sheet_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sheets WHERE sheet_id = :sheet_id);
--- error sheet_locked
SELECT 1 FROM sheets WHERE sheet_id = :sheet_id AND locked;
--- let
SELECT 'fml_' || alnum(8, 'formula', fresh(0)) AS formula_id,
       calculate(:expression, (SELECT json_group_object(variable_name, value) FROM variables WHERE sheet_id = :sheet_id)) AS found;
--- error variable_unset
SELECT 1 WHERE :found = 'variable_unset';
--- error syntax_error
SELECT 1 WHERE typeof(:found) = 'text';
--- do
INSERT INTO formulas VALUES (:formula_id, :sheet_id, :formula_label, :expression);
--- result
SELECT formula_id, sheet_id, formula_label, expression, round(:found, decimal_places) AS result FROM formulas JOIN sheets USING (sheet_id) WHERE formula_id = :formula_id;

--- tool solve_for
--- error formula_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM formulas WHERE formula_id = :formula_id);
--- error variable_not_in_formula
SELECT 1 FROM formulas WHERE formula_id = :formula_id AND (NOT EXISTS (SELECT 1 FROM variables v WHERE v.sheet_id = formulas.sheet_id AND v.variable_name = :variable_name)
  OR instr(' ' || fold(expression) || ' ', ' ' || :variable_name || ' ') = 0);
--- let
WITH RECURSIVE given AS (
  SELECT f.expression, (SELECT json_group_object(variable_name, value) FROM variables v WHERE v.sheet_id = f.sheet_id AND variable_name <> :variable_name) AS others,
         (SELECT value FROM variables v WHERE v.sheet_id = f.sheet_id AND variable_name = :variable_name) AS start
  FROM formulas f WHERE formula_id = :formula_id),
tries(i, a, b, fa, fb) AS (
  SELECT 1, start, start * 1.1 + 0.1, calculate(expression, rtrim(others, '}') || CASE others WHEN '{}' THEN '' ELSE ',' END || '"' || :variable_name || '":' || start || '}'),
         calculate(expression, rtrim(others, '}') || CASE others WHEN '{}' THEN '' ELSE ',' END || '"' || :variable_name || '":' || (start * 1.1 + 0.1) || '}')
  FROM given
  UNION ALL
  SELECT i + 1, b, b - (fb - :goal) * (b - a) / (fb - fa), fb,
         calculate(expression, rtrim(others, '}') || CASE others WHEN '{}' THEN '' ELSE ',' END || '"' || :variable_name || '":' || printf('%.15g', b - (fb - :goal) * (b - a) / (fb - fa)) || '}')
  FROM tries, given WHERE i < 60 AND typeof(fa) = 'real' AND typeof(fb) = 'real' AND fa <> fb AND abs(fb - :goal) > 0.0000001 * max(1, abs(:goal))
)
SELECT (SELECT b FROM tries WHERE typeof(fb) = 'real' AND abs(fb - :goal) <= 0.0000001 * max(1, abs(:goal)) ORDER BY i LIMIT 1) AS found, (SELECT max(i) FROM tries) AS steps;
--- error no_solution
SELECT 1 WHERE :found IS NULL;
--- result
SELECT formula_id, :variable_name AS variable_name, :goal AS goal, round(:found, decimal_places) AS solution, :steps AS iterations
FROM formulas JOIN sheets USING (sheet_id) WHERE formula_id = :formula_id;

--- tool get_sheet
--- error sheet_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sheets WHERE sheet_id = :sheet_id);
--- result
SELECT sheet_id, sheet_title, decimal_places, CASE WHEN locked THEN 'locked' ELSE 'unlocked' END AS status, created_at FROM sheets WHERE sheet_id = :sheet_id;
--- rows variables
SELECT variable_name, value, unit FROM variables WHERE sheet_id = :sheet_id ORDER BY place, variable_name;
--- rows formulas
SELECT formula_id, formula_label,
       coalesce(round(nullif(calculate(expression, (SELECT json_group_object(variable_name, value) FROM variables v WHERE v.sheet_id = f.sheet_id)), 'division_by_zero'), decimal_places), 0) AS result
FROM formulas f JOIN sheets USING (sheet_id) WHERE sheet_id = :sheet_id ORDER BY formula_label, formula_id;

--- tool delete_sheet
--- error sheet_not_found
SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM sheets WHERE sheet_id = :sheet_id);
--- error sheet_locked
SELECT 1 FROM sheets WHERE sheet_id = :sheet_id AND locked;
--- do
DELETE FROM variables WHERE sheet_id = :sheet_id;
DELETE FROM formulas WHERE sheet_id = :sheet_id;
DELETE FROM sheets WHERE sheet_id = :sheet_id;
--- result
SELECT :sheet_id AS sheet_id, 1 AS deleted;

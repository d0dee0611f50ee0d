//! JSON in queries: the operators, the aggregates, the tables of elements, and how far a text counts as JSON.

use crate::support::Fixture;

const TABLE: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, j TEXT);
    INSERT INTO t VALUES
        (1, 'a', '{\"n\":1,\"tags\":[\"x\",\"y\"],\"in\":{\"deep\":[1,2,{\"k\":null}]}}'),
        (2, 'b', '{\"n\":2,\"tags\":[],\"in\":{}}'),
        (3, 'a', '{\"n\":\"three\",\"tags\":[\"z\"]}'),
        (4, NULL, NULL),
        (5, 'c', '[10, 20, 30]')";

#[test]
fn operators_and_functions_of_json_are_those_of_stock() {
    let fixture = Fixture::new(TABLE);
    for sql in [
        "SELECT j -> '$.n', j ->> '$.n', j -> 'tags', j ->> 'tags', j -> 1, j ->> -1 FROM t",
        "SELECT j -> 'in' -> 'deep' ->> 2 FROM t",
        "SELECT j ->> 'n' || 'x', 1 + (j ->> 'n') FROM t",
        "SELECT id FROM t WHERE j ->> 'n' = 2",
        "SELECT id FROM t WHERE json_type(j, '$.tags') = 'array' ORDER BY json_array_length(j, '$.tags') DESC, id",
        "SELECT json_set(j, '$.new', id, '$.tags[#]', name) FROM t",
        "SELECT typeof(jsonb(j)), json(jsonb(j)) FROM t",
        "SELECT json_valid(j), json_quote(j) FROM t",
        "SELECT json_array(j, json(j), j -> 'tags', j ->> 'tags', json_extract(j, '$.in')) FROM t",
        "SELECT json_object('id', id, 'tags', j -> 'tags', 'name', name) FROM t",
        "SELECT CASE WHEN id > 2 THEN json_array(json('[1]')) ELSE json_array('[1]') END FROM t",
        "SELECT json_array(CASE WHEN id > 2 THEN json('[1]') ELSE '[1]' END) FROM t",
        "SELECT json_array(coalesce(json('[1]'), 2), ifnull(NULL, json('[1]')), iif(1, json('[1]'), 2))",
        "SELECT json_array(json('[1]') || '', +json('[1]'))",
    ] {
        fixture.check_sql(sql);
    }
}

#[test]
fn aggregates_of_json_are_those_of_stock() {
    let fixture = Fixture::new(TABLE);
    for sql in [
        "SELECT json_group_array(id) FROM t",
        "SELECT json_group_array(name) FROM t",
        "SELECT json_group_array(json(j)) FROM t",
        "SELECT json_group_array(j -> 'tags') FROM t",
        "SELECT name, json_group_array(id) FROM t GROUP BY name ORDER BY name",
        "SELECT name, json_group_object(id, json_array(id, name)) FROM t GROUP BY name ORDER BY name",
        "SELECT json_group_object(name, id) FROM t",
        "SELECT json_group_array(id) FILTER (WHERE id > 2) FROM t",
        "SELECT json_group_array(DISTINCT name) FROM t",
        "SELECT json(jsonb_group_array(id)), json(jsonb_group_object(id, name)) FROM t WHERE id < 4",
        "SELECT json_group_array(id), json_group_object(id, id) FROM t WHERE 0",
        "SELECT json_object('all', json_group_array(id)) FROM t",
    ] {
        fixture.check_sql(sql);
    }
}

#[test]
fn what_a_query_reads_of_another_is_just_text_as_in_stock() {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, j TEXT);
        INSERT INTO t VALUES (1, '[1]'), (2, '{}');
        CREATE VIEW v AS SELECT id, json(j) AS x, j AS y FROM t",
    );
    for sql in [
        "SELECT json_array((SELECT json('[1]')))",
        "SELECT json_object('all', (SELECT json_group_array(id) FROM t))",
        "SELECT json_array(x, y) FROM v",
        "SELECT json_group_array(x) FROM v",
        "SELECT json_group_array(json(x)) FROM v",
        "SELECT json_array(x) FROM (SELECT json(j) AS x FROM t ORDER BY id DESC LIMIT 5)",
        "SELECT json_array(x) FROM (SELECT DISTINCT json(j) AS x FROM t)",
        "SELECT json_array(x) FROM (SELECT json(j) AS x FROM t UNION ALL SELECT json('[2]'))",
        "SELECT json_array(column1) FROM (VALUES (json('[1]')), ('[2]'))",
        "WITH c AS (SELECT json(j) AS x FROM t) SELECT json_array(x) FROM c",
        "WITH c AS MATERIALIZED (SELECT json(j) AS x FROM t) SELECT json_array(a.x, b.x) FROM c AS a, c AS b",
        "WITH RECURSIVE c(n, x) AS (SELECT 1, json('[1]') UNION ALL SELECT n + 1, json('[2]') FROM c WHERE n < 3)
            SELECT json_array(x) FROM c",
        "SELECT json_array(x) FROM (SELECT CASE WHEN id = 1 THEN json(j) ELSE coalesce(json(j), 1) END AS x FROM t)",
        "SELECT json_array(x) FROM (SELECT json_group_array(id) AS x FROM t)",
        "SELECT json_array(x) FROM (SELECT max(json(j)) AS x FROM t)",
        "SELECT json_array(x) FROM (SELECT json(j) AS x, count(*) FROM t GROUP BY 1)",
        "SELECT json_array(max(json(j))), json_array(min(json(j), json(j))) FROM t",
        "SELECT json_array(json(j)) FROM t GROUP BY json(j)",
        "SELECT json_array(value) FROM (SELECT value FROM json_each('[[1]]'))",
        "SELECT json_array(json_group_array(x)) FROM (SELECT json_group_array(id) OVER () AS x FROM t)",
        "SELECT json_array(json_group_array(json(j)) OVER (ORDER BY id)) FROM t",
        "SELECT json_group_array(json(j) ORDER BY id DESC) FROM t",
        "SELECT json_group_array(DISTINCT json(j)) FROM t",
        "SELECT a.x FROM v AS a JOIN v AS b ON a.x = b.x ORDER BY a.x",
    ] {
        fixture.check_sql(sql);
    }
}

#[test]
fn elements_of_json_are_rows_as_in_stock() {
    let fixture = Fixture::new(TABLE);
    for sql in [
        "SELECT * FROM json_each('[1,\"two\",[3],{\"k\":4},null]')",
        "SELECT key, value, type, atom, id, parent, fullkey, path FROM json_tree('{\"a\":[1,{\"b\":2}]}')",
        "SELECT json, root, key FROM json_each('{\"a\":[1,2]}', '$.a')",
        "SELECT value FROM json_each('[3,1,2]') ORDER BY value",
        "SELECT sum(value), count(*) FROM json_each('[3,1,2]')",
        "SELECT json_array(value) FROM json_each('[[1],\"[1]\",{},2]')",
        "SELECT count(*) FROM json_each(NULL)",
        "SELECT count(*) FROM json_each('[1]', NULL)",
        "SELECT t.id, e.key, e.value FROM t, json_each(t.j, '$.tags') AS e",
        "SELECT t.id, e.value FROM t JOIN json_each(t.j -> 'tags') AS e ON e.value <> 'y'",
        "SELECT t.id, e.fullkey, e.atom FROM t, json_tree(t.j) AS e WHERE e.atom IS NOT NULL",
        "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM json_each(t.j, '$.tags') WHERE value = 'z')",
        "SELECT id, (SELECT json_group_array(value) FROM json_each(t.j, '$.tags')) FROM t",
        "SELECT value FROM json_each('[1,2,3]') WHERE value IN (SELECT value FROM json_each('[2,3,4]'))",
        "SELECT typeof(value), json(value) FROM jsonb_each('[[1],{}]')",
    ] {
        fixture.check_sql(sql);
    }
}

#[test]
fn errors_of_json_are_those_of_stock() {
    let fixture = Fixture::new(TABLE);
    for sql in [
        "SELECT json('{x')",
        "SELECT j -> '$.' FROM t",
        "SELECT json_extract(j, 'tags') FROM t",
        "SELECT json_object(1, 2)",
        "SELECT json_object('a')",
        "SELECT json_array(x'00ff')",
        "SELECT json_set('{}', '$.a')",
        "SELECT json_group_array(x'ff') FROM t",
        "SELECT * FROM json_each('[1')",
        "SELECT * FROM json_each('[1]', 'a')",
        "SELECT json_valid('{}', 99)",
        "SELECT json('[]', 2)",
        "SELECT json_nothing(1)",
    ] {
        let ours = fixture.try_sql(sql).unwrap_err();
        let stock = fixture.judge(sql).unwrap_err();
        assert_eq!(ours, stock, "{sql}");
    }
}

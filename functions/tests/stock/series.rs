//! `generate_series`, which the judge's build has not.

use super::*;

fn series(arguments: &[Value], most: usize) -> Vec<i64> {
    let mut around = Around::new();
    let function = heddle_functions::table("Generate_Series").unwrap();
    let mut rows = (function.open)(&mut around, arguments).unwrap();
    let mut values = Vec::new();
    while values.len() < most
        && let Some(row) = rows.next(&mut around).unwrap()
    {
        assert_eq!(row.len(), function.columns.len() + function.parameters.len());
        let Value::Integer(value) = row[0] else { panic!("{row:?}") };
        values.push(value);
    }
    values
}

fn integers(of: &[i64], most: usize) -> Vec<i64> {
    series(&of.iter().map(|v| Value::Integer(*v)).collect::<Vec<_>>(), most)
}

#[test]
fn series_go_up_and_down() {
    assert_eq!(integers(&[1, 5], 9), [1, 2, 3, 4, 5]);
    assert_eq!(integers(&[1, 10, 4], 9), [1, 5, 9]);
    assert_eq!(integers(&[5, 1, -2], 9), [5, 3, 1]);
    assert_eq!(integers(&[1, 3, 0], 9), [1, 2, 3]);
    assert_eq!(integers(&[5, 1], 9), [0; 0]);
    assert_eq!(integers(&[1, 5, -1], 9), [0; 0]);
    assert_eq!(integers(&[7, 7, -3], 9), [7]);
    assert_eq!(integers(&[0xffff_fffe], 9), [0xffff_fffe, 0xffff_ffff]);
    assert_eq!(integers(&[20], 3), [20, 21, 22]);
}

#[test]
fn series_end_at_the_ends_of_the_integers() {
    assert_eq!(integers(&[i64::MAX - 1, i64::MAX], 9), [i64::MAX - 1, i64::MAX]);
    assert_eq!(integers(&[i64::MIN + 1, i64::MIN, -1], 9), [i64::MIN + 1, i64::MIN]);
    assert_eq!(integers(&[i64::MAX, i64::MIN, i64::MIN], 9), [i64::MAX, -1]);
    assert_eq!(integers(&[i64::MIN, i64::MAX, i64::MAX], 9), [i64::MIN, -1, i64::MAX - 1]);
}

#[test]
fn arguments_are_read_as_integers() {
    assert_eq!(series(&[Value::Real(1.9), Value::text("3x")], 9), [1, 2, 3]);
    assert_eq!(series(&[Value::Null, Value::Integer(3)], 9), [0; 0]);
    assert_eq!(series(&[Value::Integer(1), Value::Integer(3), Value::Null], 9), [0; 0]);
    let function = heddle_functions::table("generate_series").unwrap();
    let error = (function.open)(&mut Around::new(), &[]).err().unwrap();
    assert!(error.to_string().starts_with("first argument"), "{error}");
}

#[test]
fn rows_show_what_the_series_was_made_of() {
    let mut around = Around::new();
    let function = heddle_functions::table("generate_series").unwrap();
    let mut rows = (function.open)(&mut around, &[Value::Integer(3)]).unwrap();
    let row = rows.next(&mut around).unwrap().unwrap();
    assert_eq!(row, [3, 3, 0xffff_ffff, 1].map(Value::Integer));
}

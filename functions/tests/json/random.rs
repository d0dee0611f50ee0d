//! Documents, damaged texts, paths, chains of changes and patches made up by chance, with fixed seeds.

use heddle_value::Value;

use crate::documents::{PATHS, TEXTS, TREES};
use crate::{Expr, Judge, call, i, t};

/// A generator of numbers that look random (xorshift with a product).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn space(&mut self) -> &'static str {
        if self.roll(4) > 0 {
            return "";
        }
        self.pick(&[" ", "\n", "\t ", "/*c*/", "//x\n", "\u{a0}", "\u{c}", "\u{2028}", "\r\n"])
    }

    fn label(&mut self) -> &'static str {
        self.pick(&[
            "\"a\"",
            "\"b\"",
            "\"c\"",
            "a",
            "b",
            "'c'",
            "\"x y\"",
            "\"\\u0061\"",
            "\"\"",
            "\"long label of thirty bytes....\"",
            "_d",
            "'q\"q'",
            "\u{e9}",
            "\"a.b\"",
        ])
    }

    fn scalar(&mut self) -> &'static str {
        self.pick(&[
            "1",
            "-2",
            "3.5",
            "1e3",
            ".5",
            "5.",
            "0x1F",
            "null",
            "true",
            "false",
            "\"\"",
            "\"x\"",
            "'y\"'",
            "\"\\n\\u00e9\"",
            "\"a text that is longer than eleven\"",
            "Infinity",
            "-inf",
            "NaN",
            "123456789012345678901",
            "9223372036854775807",
            "\"\\x41\\\n\"",
            "+7",
            "\"0123456789a\"",
            "\"0123456789ab\"",
        ])
    }

    fn document(&mut self, depth: usize) -> String {
        let open = self.space();
        let inner = match self.roll(if depth == 0 { 1 } else { 3 }) {
            0 => self.scalar().to_owned(),
            kind => {
                let count = self.pick(&[0, 1, 2, 3, 5, 20]);
                let items: Vec<String> = (0..count)
                    .map(|_| {
                        let value = self.document(depth - 1);
                        if kind == 1 {
                            return value;
                        }
                        let label = self.label();
                        format!("{}{label}{}:{value}", self.space(), self.space())
                    })
                    .collect();
                let (first, last) = if kind == 1 { ("[", "]") } else { ("{", "}") };
                let comma = if count > 0 && self.roll(8) == 0 { "," } else { "" };
                format!("{first}{}{comma}{}{last}", items.join(","), self.space())
            }
        };
        format!("{open}{inner}{}", self.space())
    }

    fn path(&mut self) -> String {
        let mut path = String::from("$");
        for _ in 0..self.pick(&[1, 1, 1, 2, 2, 3, 4]) {
            path += self.pick(&[
                ".a",
                ".b",
                ".c",
                "[0]",
                "[1]",
                "[2]",
                "[#]",
                "[#-1]",
                "[#-2]",
                ".\"x y\"",
                ".\"\"",
                ".\u{e9}",
                ".new",
                ".\"\\u0061\"",
                "[7]",
                ".d",
            ]);
        }
        path
    }

    fn value(&mut self) -> Expr {
        match self.roll(8) {
            0 => i(self.roll(100_000) as i64),
            1 => Expr::Value(Value::Null),
            2 => Expr::Value(Value::Real(self.roll(1000) as f64 / 8.0)),
            3 => call("json", [t(self.pick(TREES))]),
            4 => call("jsonb", [t(self.pick(TREES))]),
            5 => t(&"long ".repeat(self.roll(80))),
            _ => t(self.pick(&["x", "quo\"te", "a little more", ""])),
        }
    }

    /// A text with some bytes changed, taken out or put in.
    fn damaged(&mut self, text: &str) -> Vec<u8> {
        const BYTES: &[u8] = b"{}[]:,\"'\\/*0123456789.eE+-xXuntfalsbInN \t\n\r\x0b\x0c\x01\x7f\xc2\xa0\xe2\x80\xa8\xef\xbb\xbf$_ac";
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(bytes.len() + 1);
            let new = self.pick(BYTES);
            match self.roll(3) {
                0 if at < bytes.len() => bytes[at] = new,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, new),
            }
        }
        bytes
    }
}

#[test]
fn made_up_documents_are_read_and_written_as_in_stock() {
    let mut judge = Judge::new();
    let mut dice = Dice::new(1);
    for _ in 0..400 {
        let text = dice.document(4);
        for name in ["json", "jsonb", "json_pretty", "json_error_position", "json_array_length"] {
            judge.check_document(name, &text, &[]);
        }
        for flags in [1, 2, 8] {
            judge.check_document("json_valid", &text, &[i(flags)]);
        }
        let paths = [t(&dice.path()), t(&dice.path())];
        for name in ["json_extract", "jsonb_extract", "json_remove"] {
            judge.check_document(name, &text, &paths);
            judge.check_document(name, &text, &paths[..1]);
        }
        for name in ["->", "->>", "json_type"] {
            judge.check_document(name, &text, &paths[1..]);
        }
    }
}

#[test]
fn damaged_texts_are_refused_where_stock_refuses_them() {
    let mut judge = Judge::new();
    let mut dice = Dice::new(2);
    for round in 0..40_000 {
        let text = match round % 3 {
            0 => dice.pick(TEXTS).to_owned(),
            1 => dice.pick(TREES).to_owned(),
            _ => dice.document(2),
        };
        let text = Expr::Value(Value::text(dice.damaged(&text)));
        for name in ["json_error_position", "json_valid", "jsonb", "json"] {
            judge.check(&call(name, [text.clone()]));
        }
    }
}

#[test]
fn made_up_paths_are_read_as_in_stock() {
    let mut judge = Judge::new();
    let mut dice = Dice::new(3);
    for _ in 0..6000 {
        let tree = dice.pick(TREES);
        let path = if dice.roll(2) == 0 { dice.path() } else { dice.pick(PATHS).to_owned() };
        let path = [Expr::Value(Value::text(dice.damaged(&path)))];
        for name in ["json_extract", "->", "json_remove", "json_type"] {
            judge.check_document(name, tree, &path);
        }
        let change = [path[0].clone(), dice.value()];
        for name in ["json_set", "json_array_insert", "json_insert"] {
            judge.check_document(name, tree, &change);
        }
    }
}

/// Each change works on the JSONB that the one before has left, with whatever headers.
#[test]
fn chains_of_changes_leave_the_same_bytes_as_in_stock() {
    let mut judge = Judge::new();
    let mut dice = Dice::new(4);
    for _ in 0..400 {
        let text = dice.document(3);
        let Ok(mut blob) = judge.stock.answer(&call("jsonb", [t(&text)])) else { continue };
        for _ in 0..20 {
            let path = t(&dice.path());
            let document = Expr::Value(blob.clone());
            let next = match dice.roll(6) {
                0 => call("jsonb_remove", [document, path]),
                1 => call("jsonb_patch", [document, t(&dice.document(2))]),
                n => {
                    let name = [
                        "jsonb_set",
                        "jsonb_replace",
                        "jsonb_insert",
                        "jsonb_array_insert",
                        "jsonb_set",
                    ][n - 2 + usize::from(n == 5)];
                    call(name, [document, path, dice.value()])
                }
            };
            judge.check(&next);
            judge.check(&call("json", [next.clone()]));
            judge.check(&call("json_valid", [next.clone(), i(8)]));
            if let Ok(Value::Blob(changed)) = judge.stock.answer(&next) {
                blob = Value::Blob(changed);
            }
        }
    }
}

#[test]
fn made_up_patches_merge_as_in_stock() {
    let mut judge = Judge::new();
    let mut dice = Dice::new(5);
    for _ in 0..2000 {
        let (target, patch) = (dice.document(3), dice.document(3));
        judge.check_document("json_patch", &target, &[t(&patch)]);
        judge.check_document("jsonb_patch", &target, &[t(&patch)]);
    }
}

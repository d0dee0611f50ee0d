//! A `.sqltest` file as cases. [`super::run`](mod@super::run) runs them.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};

/// What a case runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A fresh one in memory.
    Memory,
    /// A fresh one in a file.
    Temporary,
    /// A file of the suite's, which is only read.
    ReadOnly(String),
}

/// What a case must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These lines, without the spaces around them.
    Lines(Vec<String>),
    /// These lines, in any order.
    Unordered(Vec<String>),
    /// This text.
    Raw(String),
    /// Something that this regular expression describes.
    Pattern(String),
    /// An error, whose words this regular expression describes.
    Error(String),
    /// What stock SQLite gives.
    AsStock,
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// Run first, in order.
    pub setups: Vec<String>,
    /// Run then.
    pub script: String,
    /// What it must give.
    pub expected: Expected,
    /// Why it is left out.
    pub skipped: Option<String>,
    /// Whether the database must be whole afterwards.
    pub is_checked: bool,
}

/// A file.
#[derive(Debug, Default)]
pub struct File {
    /// Each case is run once on each.
    pub databases: Vec<Database>,
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// What stands before a case and is said of it.
#[derive(Default)]
struct Notes {
    setups: Vec<String>,
    variables: Vec<(String, Vec<String>)>,
    skipped: Option<String>,
    is_checked: bool,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    file: File,
    setups: HashMap<String, String>,
    notes: Notes,
    skipped: Option<String>,
}

/// Reads a file.
///
/// # Errors
/// What is not of the format, with its line.
pub fn parse(text: &str) -> Result<File> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 0,
        file: File::default(),
        setups: HashMap::new(),
        notes: Notes::default(),
        skipped: None,
    };
    while let Some(line) = reader.next_line() {
        let number = reader.line;
        reader.item(line).with_context(|| format!("line {number}"))?;
    }
    if let Some(case) = reader.file.cases.iter_mut().find(|case| case.expected == NOTHING) {
        bail!("line {}: nothing is expected of {}", case.line, case.name);
    }
    Ok(reader.file)
}

/// What a case expects until its `expect` is read; no file has this pattern.
const NOTHING: Expected = Expected::Pattern(String::new());

impl<'a> Reader<'a> {
    fn next_line(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        self.at += end;
        self.line += 1;
        rest.get(..end)
    }

    fn item(&mut self, line: &'a str) -> Result<()> {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(());
        }
        if trimmed.starts_with('@') && !trimmed.starts_with("@var") {
            return self.note(trimmed);
        }
        let start = self.line;
        let (head, body) = self.block(line)?;
        let mut words = head.split_ascii_whitespace();
        match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
            ("setup", name) => {
                self.setups.insert(name.to_owned(), body);
            }
            ("@var", name) => {
                let values = body.split('|').map(|value| value.trim().to_owned()).collect();
                self.notes.variables.push((name.to_owned(), values));
            }
            ("test", name) => self.case(start, name, body, NOTHING)?,
            ("matrix", name) => self.matrix(start, name, &body)?,
            ("expect", kind) => self.expect(kind, body)?,
            ("snapshot" | "snapshot-eqp", _) => self.notes = Notes::default(),
            (other, _) => bail!("{other} is unknown"),
        }
        Ok(())
    }

    /// The text before a block that opens on `line`, and the block, with what is escaped in it unescaped.
    fn block(&mut self, line: &'a str) -> Result<(&'a str, String)> {
        let open = line.find('{').context("no block")?;
        let start = self.at - line.len();
        let mut body = String::new();
        let mut depth = 1;
        let mut characters = self.text[start + open + 1..].char_indices();
        while let Some((offset, character)) = characters.next() {
            let next = characters.clone().next().map(|(_, next)| next);
            match (character, next) {
                ('\\', Some(escaped @ ('{' | '}' | '\\'))) => {
                    characters.next();
                    body.push(escaped);
                    continue;
                }
                ('{', _) => depth += 1,
                ('}', _) => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let end = start + open + 1 + offset + 1;
                self.line += self.text[self.at.min(end)..end].matches('\n').count();
                self.at = end;
                // What is left of the line of the brace.
                let rest = &self.text[end..];
                self.at += rest.find('\n').map_or(rest.len(), |end| end + 1);
                if end > start + line.len() {
                    self.line += 1;
                }
                return Ok((&line[..open], cut(&body).to_owned()));
            }
            body.push(character);
        }
        bail!("a block without an end")
    }

    fn note(&mut self, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let first = rest.split_ascii_whitespace().next().unwrap_or_default();
        let applies = first == "sqlite";
        match word {
            "@database" => self.file.databases.push(database(rest)),
            "@setup" => self.notes.setups.push(first.to_owned()),
            "@skip" | "@backend" => self.notes.skipped = Some(line.to_owned()),
            "@skip-if" if applies => self.notes.skipped = Some(line.to_owned()),
            "@skip-file" => self.skipped = Some(line.to_owned()),
            "@skip-file-if" if applies => self.skipped = Some(line.to_owned()),
            "@cross-check-integrity" => self.notes.is_checked = true,
            // All that is asked for is there.
            "@skip-if" | "@skip-file-if" | "@requires" | "@requires-file" => {}
            other => bail!("{other} is unknown"),
        }
        Ok(())
    }

    fn case(&mut self, line: usize, name: &str, script: String, expected: Expected) -> Result<()> {
        let mut setups = Vec::new();
        let notes = std::mem::take(&mut self.notes);
        for name in &notes.setups {
            setups.push(self.setups.get(name).with_context(|| format!("no setup {name}"))?.clone());
        }
        let refers = |text: &str| text.contains("{{");
        let skipped = if refers(&script) || setups.iter().any(|setup| refers(setup)) {
            Some("a limit of another engine".to_owned())
        } else {
            self.skipped.clone().or(notes.skipped)
        };
        self.file.cases.push(Case {
            name: name.to_owned(),
            line,
            setups,
            script,
            expected,
            skipped,
            is_checked: notes.is_checked,
        });
        Ok(())
    }

    /// A case for each combination of the variables' values.
    fn matrix(&mut self, line: usize, name: &str, script: &str) -> Result<()> {
        let variables = std::mem::take(&mut self.notes.variables);
        let mut scripts = vec![(name.to_owned(), script.to_owned())];
        for (variable, values) in &variables {
            let sign = format!("${variable}");
            let with = |(name, script): &(String, String)| {
                let one =
                    |value: &String| (format!("{name}/{value}"), script.replace(&sign, value));
                values.iter().map(one).collect::<Vec<_>>()
            };
            scripts = scripts.iter().flat_map(with).collect();
        }
        let Notes { setups, skipped, is_checked, .. } = std::mem::take(&mut self.notes);
        for (name, script) in scripts {
            let (setups, skipped) = (setups.clone(), skipped.clone());
            self.notes = Notes { setups, skipped, is_checked, ..Notes::default() };
            self.case(line, &name, script, Expected::AsStock)?;
        }
        Ok(())
    }

    fn expect(&mut self, kind: &str, body: String) -> Result<()> {
        let lines = || body.lines().map(|line| line.trim().to_owned()).collect();
        let expected = match kind {
            "" => Expected::Lines(lines()),
            "unordered" => Expected::Unordered(lines()),
            "raw" => Expected::Raw(body),
            "pattern" => Expected::Pattern(body.trim().to_owned()),
            "error" => Expected::Error(body.trim().to_owned()),
            backend if backend.starts_with('@') => return Ok(()),
            other => bail!("expect {other} is unknown"),
        };
        let case = self.file.cases.last_mut().context("no case before it")?;
        if body_refers(&expected) {
            case.skipped = Some("a limit of another engine".to_owned());
        }
        case.expected = expected;
        Ok(())
    }
}

fn body_refers(expected: &Expected) -> bool {
    match expected {
        Expected::Lines(lines) | Expected::Unordered(lines) => {
            lines.iter().any(|line| line.contains("{{"))
        }
        Expected::Raw(text) | Expected::Error(text) => text.contains("{{"),
        Expected::Pattern(_) | Expected::AsStock => false,
    }
}

fn database(spec: &str) -> Database {
    match spec {
        ":memory:" => Database::Memory,
        ":temp:" => Database::Temporary,
        ":default:" => Database::ReadOnly("database/database.db".to_owned()),
        ":default-no-rowidalias:" => {
            Database::ReadOnly("database/database-no-rowidalias.db".to_owned())
        }
        path => Database::ReadOnly(path.trim_end_matches("readonly").trim().to_owned()),
    }
}

/// Without the newline after the opening brace and the one before the closing brace.
fn cut(body: &str) -> &str {
    let body = match body.find('\n') {
        Some(end) if body[..end].trim().is_empty() => &body[end + 1..],
        _ => body,
    };
    match body.rfind('\n') {
        Some(start) if body[start..].trim().is_empty() => &body[..start],
        None if body.trim().is_empty() => "",
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const TEXT: &str = "@database :memory:\n@database a/b.db readonly\n# a comment } {{{\n\nsetup s {\n  CREATE TABLE t(a);\n}\n\n\
        @setup s\n@skip-if mvcc \"no\"\n@cross-check-integrity\ntest one {\n    SELECT '\\{';\n}\nexpect {\n    \\{\n}\nexpect @js {\n  1\n}\n\n\
        @var x { 1 | 2 }\n@var y { a | b }\nmatrix m {\n  SELECT $x $y;\n}\n\n@backend cli\ntest two {\n  .tables\n}\nexpect error {\n}\n";

    #[test]
    fn cases_and_what_is_said_of_them() {
        let file = parse(TEXT).unwrap();
        assert_eq!(file.databases, [Database::Memory, Database::ReadOnly("a/b.db".to_owned())]);
        let names: Vec<_> = file.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["one", "m/1/a", "m/1/b", "m/2/a", "m/2/b", "two"]);
        let one = &file.cases[0];
        assert_eq!(one.script, "    SELECT '{';");
        assert_eq!(one.setups, ["  CREATE TABLE t(a);"]);
        assert_eq!(one.expected, Expected::Lines(vec!["{".to_owned()]));
        assert!(one.is_checked && one.skipped.is_none());
        assert_eq!(one.line, 12);
        assert_eq!(file.cases[4].script, "  SELECT 2 b;");
        assert_eq!(file.cases[4].line, 24);
        assert!(file.cases[5].skipped.is_some());
        assert_eq!(file.cases[5].expected, Expected::Error(String::new()));
    }

    #[test]
    fn what_is_not_of_the_format_is_refused() {
        for text in ["bogus {\n}\n", "test a {\n", "test a {\n}\n", "expect {\n}\n", "@bogus\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

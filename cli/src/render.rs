//! Rows as text, in every mode.

use std::io::{self, Write};

use comfy_table::{
    Cell as TableCell, CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent,
    Width, presets,
};
use heddledb::{Row, ValueType};

use crate::settings::{Mode, Settings};

/// One value of a row.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) kind: ValueType,
    /// The bytes of a text or blob; a number as text.
    pub(crate) bytes: Vec<u8>,
}

impl Cell {
    fn of(row: &Row, column: usize) -> heddledb::Result<Cell> {
        let kind = row.column_type(column)?;
        let bytes = match row.get_bytes(column)? {
            Some(bytes) => bytes,
            None => match row.get_value(column)? {
                heddledb::Value::Integer(v) => v.to_string().into_bytes(),
                heddledb::Value::Real(v) => {
                    heddle_value::number::real_to_text(v).as_bytes().to_vec()
                }
                _ => Vec::new(),
            },
        };
        Ok(Cell { kind, bytes })
    }

    fn text(&self, null: &str) -> String {
        match self.kind {
            ValueType::Null => null.to_owned(),
            _ => String::from_utf8_lossy(&self.bytes).into_owned(),
        }
    }

    /// As a literal of SQL.
    pub(crate) fn literal(&self) -> String {
        match self.kind {
            ValueType::Null => "NULL".to_owned(),
            ValueType::Integer => String::from_utf8_lossy(&self.bytes).into_owned(),
            ValueType::Real => match self.bytes.as_slice() {
                b"Inf" => "9.0e+999".to_owned(),
                b"-Inf" => "-9.0e+999".to_owned(),
                _ => String::from_utf8_lossy(&self.bytes).into_owned(),
            },
            ValueType::Text => text_literal(&self.bytes),
            ValueType::Blob => format!("X'{}'", hex(&self.bytes)),
        }
    }

    fn json(&self) -> String {
        match self.kind {
            ValueType::Null => "null".to_owned(),
            ValueType::Integer => String::from_utf8_lossy(&self.bytes).into_owned(),
            ValueType::Real => self.literal(),
            ValueType::Text | ValueType::Blob => json_string(&String::from_utf8_lossy(&self.bytes)),
        }
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text as a literal. A line end in it is written out, so that each statement of a dump is one line.
fn text_literal(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return format!("CAST(X'{}' AS TEXT)", hex(bytes));
    };
    let quoted = format!("'{}'", text.replace('\'', "''"));
    let mut literal = quoted;
    for (character, code, mark) in [('\n', 10, "\\n"), ('\r', 13, "\\r")] {
        if literal.contains(character) {
            let mut mark = mark.to_owned();
            while literal.contains(&mark) {
                mark.push('_');
            }
            literal =
                format!("replace({},'{mark}',char({code}))", literal.replace(character, &mark));
        }
    }
    literal
}

/// Prints rows as they come, or keeps them until their widths are known.
pub(crate) struct Renderer<'s> {
    settings: &'s Settings,
    names: Vec<String>,
    kept: Vec<Vec<Cell>>,
    printed: usize,
}

impl<'s> Renderer<'s> {
    pub(crate) fn new(settings: &'s Settings, names: Vec<String>) -> Renderer<'s> {
        Renderer { settings, names, kept: Vec::new(), printed: 0 }
    }

    /// One more row.
    pub(crate) fn row(&mut self, row: &Row, out: &mut dyn Write) -> anyhow::Result<()> {
        let cells =
            (0..row.column_count()).map(|at| Cell::of(row, at)).collect::<Result<Vec<_>, _>>()?;
        self.cells(cells, out)?;
        Ok(())
    }

    fn cells(&mut self, cells: Vec<Cell>, out: &mut dyn Write) -> io::Result<()> {
        let settings = self.settings;
        if self.printed == 0 && settings.shows_headers() {
            self.header(out)?;
        }
        self.printed += 1;
        match settings.mode {
            Mode::Box | Mode::Column | Mode::Markdown | Mode::Table => {
                self.kept.push(cells);
                return Ok(());
            }
            Mode::List | Mode::Tabs | Mode::Ascii => {
                let texts: Vec<String> =
                    cells.iter().map(|cell| cell.text(&settings.null)).collect();
                write!(out, "{}{}", texts.join(&settings.separator), settings.row_separator)?;
            }
            Mode::Csv => {
                let texts: Vec<String> = cells.iter().map(|cell| self.field(cell)).collect();
                write!(out, "{}{}", texts.join(&settings.separator), settings.row_separator)?;
            }
            Mode::Quote => {
                let texts: Vec<String> = cells.iter().map(Cell::literal).collect();
                write!(out, "{}{}", texts.join(&settings.separator), settings.row_separator)?;
            }
            Mode::Insert => {
                let texts: Vec<String> = cells.iter().map(Cell::literal).collect();
                let columns = match settings.headers {
                    Some(true) => {
                        let names: Vec<String> =
                            self.names.iter().map(|name| identifier(name)).collect();
                        format!("({})", names.join(","))
                    }
                    _ => String::new(),
                };
                let table = identifier(&settings.table);
                writeln!(out, "INSERT INTO {table}{columns} VALUES({});", texts.join(","))?;
            }
            Mode::Line => {
                if self.printed > 1 {
                    writeln!(out)?;
                }
                let width =
                    self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
                for (name, cell) in self.names.iter().zip(&cells) {
                    writeln!(out, "{name:>width$} = {}", cell.text(&settings.null))?;
                }
            }
            Mode::Json => {
                let parts: Vec<String> = self
                    .names
                    .iter()
                    .zip(&cells)
                    .map(|(name, cell)| format!("{}:{}", json_string(name), cell.json()))
                    .collect();
                let before = if self.printed == 1 { "[" } else { ",\n" };
                write!(out, "{before}{{{}}}", parts.join(","))?;
            }
        }
        Ok(())
    }

    /// The line of names, in the modes that print rows as they come.
    fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        let settings = self.settings;
        let names: Vec<String> = match settings.mode {
            Mode::List | Mode::Tabs | Mode::Ascii => self.names.clone(),
            Mode::Csv => {
                self.names.iter().map(|name| csv_field(name, &settings.separator)).collect()
            }
            Mode::Quote => self.names.iter().map(|name| text_literal(name.as_bytes())).collect(),
            _ => return Ok(()),
        };
        write!(out, "{}{}", names.join(&settings.separator), settings.row_separator)
    }

    fn field(&self, cell: &Cell) -> String {
        match cell.kind {
            ValueType::Null => self.settings.null.clone(),
            _ => csv_field(&cell.text(""), &self.settings.separator),
        }
    }

    /// After the last row.
    pub(crate) fn end(self, out: &mut dyn Write) -> io::Result<()> {
        match self.settings.mode {
            Mode::Json if self.printed > 0 => writeln!(out, "]"),
            Mode::Box | Mode::Column | Mode::Markdown | Mode::Table if self.printed > 0 => {
                self.table(out)
            }
            _ => Ok(()),
        }
    }

    fn table(self, out: &mut dyn Write) -> io::Result<()> {
        let settings = self.settings;
        let mut table = Table::new();
        let preset = match settings.mode {
            Mode::Box => presets::UTF8_FULL_CONDENSED,
            Mode::Table => presets::ASCII_FULL_CONDENSED,
            Mode::Markdown => presets::ASCII_MARKDOWN,
            _ => presets::NOTHING,
        };
        table.load_preset(preset).set_content_arrangement(ContentArrangement::Dynamic);
        // The line below the names is as thin as the others.
        let thin = match settings.mode {
            Mode::Box => Some(['\u{2502}', '\u{2500}', '\u{251c}', '\u{253c}', '\u{2524}']),
            Mode::Table => Some(['|', '-', '+', '+', '+']),
            _ => None,
        };
        if let Some([vertical, line, left, middle, right]) = thin {
            table
                .set_style(TableComponent::VerticalLines, vertical)
                .set_style(TableComponent::HeaderLines, line)
                .set_style(TableComponent::LeftHeaderIntersection, left)
                .set_style(TableComponent::MiddleHeaderIntersections, middle)
                .set_style(TableComponent::RightHeaderIntersection, right);
        }
        if settings.shows_headers() {
            let center = if settings.mode == Mode::Column {
                CellAlignment::Left
            } else {
                CellAlignment::Center
            };
            table.set_header(
                self.names.iter().map(|name| TableCell::new(name).set_alignment(center)),
            );
        }
        if settings.mode == Mode::Column {
            let dashes = |(at, name): (usize, &String)| {
                let cells = self.kept.iter().filter_map(|row| row.get(at));
                let widest = cells.map(|cell| cell.text(&settings.null).chars().count()).max();
                "-".repeat(widest.unwrap_or(0).max(name.chars().count()))
            };
            if settings.shows_headers() {
                table.add_row(self.names.iter().enumerate().map(dashes));
            }
        }
        for row in &self.kept {
            table.add_row(row.iter().map(|cell| TableCell::new(cell.text(&settings.null))));
        }
        for (at, width) in settings.widths.iter().enumerate().filter(|(_, width)| **width > 0) {
            let width = Width::Fixed(u16::try_from(*width + 2).unwrap_or(u16::MAX));
            if let Some(column) = table.column_mut(at) {
                column.set_constraint(ColumnConstraint::UpperBoundary(width));
            }
        }
        if settings.mode == Mode::Column {
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A field of a CSV line: in quotes if it must be (RFC 4180).
fn csv_field(text: &str, separator: &str) -> String {
    let special = |c: char| c == '"' || c == '\'' || c.is_control() || !c.is_ascii() || c == ' ';
    let quoted = text.is_empty() || text.contains(separator) || text.chars().any(special);
    if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A name as it stands in SQL: in quotes if it must be.
pub(crate) fn identifier(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && !crate::completion::is_keyword(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

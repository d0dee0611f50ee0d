//! What dot commands set.

/// How rows are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Ascii,
    Box,
    Column,
    Csv,
    Insert,
    Json,
    Line,
    List,
    Markdown,
    Quote,
    Table,
    Tabs,
}

impl Mode {
    /// All, with their names.
    pub(crate) const ALL: [(&str, Mode); 12] = [
        ("ascii", Mode::Ascii),
        ("box", Mode::Box),
        ("column", Mode::Column),
        ("csv", Mode::Csv),
        ("insert", Mode::Insert),
        ("json", Mode::Json),
        ("line", Mode::Line),
        ("list", Mode::List),
        ("markdown", Mode::Markdown),
        ("quote", Mode::Quote),
        ("table", Mode::Table),
        ("tabs", Mode::Tabs),
    ];

    /// The mode of this name, of which the beginning is enough.
    pub(crate) fn named(name: &str) -> Option<Mode> {
        let exact = Mode::ALL.iter().find(|(full, _)| *full == name);
        exact.or_else(|| Mode::ALL.iter().find(|(full, _)| full.starts_with(name))).map(|(_, m)| *m)
    }

    pub(crate) fn name(self) -> &'static str {
        Mode::ALL.iter().find(|(_, mode)| *mode == self).map_or("list", |(name, _)| name)
    }
}

/// What is shown and how.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// `None`: as the mode has it.
    pub(crate) headers: Option<bool>,
    pub(crate) separator: String,
    pub(crate) row_separator: String,
    pub(crate) null: String,
    /// The table that mode insert writes into.
    pub(crate) table: String,
    /// The widest a column may be; 0: any width.
    pub(crate) widths: Vec<usize>,
    pub(crate) echo: bool,
    pub(crate) bail: bool,
    pub(crate) timer: bool,
    pub(crate) changes: bool,
    /// Show the plan of each statement before its rows.
    pub(crate) plans: bool,
    pub(crate) prompt: String,
    pub(crate) continued: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::List,
            headers: None,
            separator: "|".to_owned(),
            row_separator: "\n".to_owned(),
            null: String::new(),
            table: "table".to_owned(),
            widths: Vec::new(),
            echo: false,
            bail: false,
            timer: false,
            changes: false,
            plans: false,
            prompt: "heddle> ".to_owned(),
            continued: "   ...> ".to_owned(),
        }
    }
}

impl Settings {
    /// Whether names of columns are printed.
    pub(crate) fn shows_headers(&self) -> bool {
        let own = matches!(self.mode, Mode::Box | Mode::Column | Mode::Markdown | Mode::Table);
        self.headers.unwrap_or(own)
    }

    /// Sets a mode and the separators that belong to it.
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        let (column, row) = match mode {
            Mode::Csv => (",", "\r\n"),
            Mode::Tabs => ("\t", "\n"),
            Mode::Ascii => ("\x1f", "\x1e"),
            Mode::Quote => (",", "\n"),
            _ => ("|", "\n"),
        };
        self.separator = column.to_owned();
        self.row_separator = row.to_owned();
    }
}

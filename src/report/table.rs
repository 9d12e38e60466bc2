//! A table for people. On a terminal it fits: columns where there is room for them, else one cell below the other. To a
//! pipe or a file it is always columns, and a name is never broken.

use std::io::{self, IsTerminal as _};

use unicode_width::UnicodeWidthStr as _;

use crate::error::escaped;

/// Where the text goes.
#[derive(Clone, Copy, Debug)]
pub struct Stdout {
    pub is_terminal: bool,
    /// Of a terminal that has a size; a serial console can be without one.
    width: Option<usize>,
    /// Whether the heading is bold: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
    bold: bool,
}

/// A line is no narrower than this, whatever the terminal says.
const NARROWEST: usize = 20;

impl Stdout {
    pub fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let size = is_terminal.then(terminal_size::terminal_size).flatten();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = size.map(|(width, _)| usize::from(width.0).max(NARROWEST));
        Stdout { is_terminal, width, bold: is_terminal && !no_color }
    }

    /// Aligned columns, one line a row; the first row is the heading.
    pub fn table(self, rows: &[Vec<String>]) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        for row in rows {
            let cells = (0..columns).map(|at| row.get(at).map(|cell| escaped(cell)).unwrap_or_default());
            table.add_row(cells.collect::<Vec<_>>());
        }
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        if lines.iter().any(|line| !self.has_room(line)) {
            return self.stacked(rows);
        }
        let lines = lines.iter().enumerate().map(|(at, line)| if at == 0 { self.heading(line) } else { line.clone() });
        lines.map(|line| line + "\n").collect()
    }

    /// Each row as its first cell, and the others below it, each behind its heading. A row without a first cell goes on with
    /// the row before it.
    fn stacked(self, rows: &[Vec<String>]) -> String {
        let Some((headings, rows)) = rows.split_first() else { return String::new() };
        let mut text = String::new();
        for item in rows.chunk_by(|_, next| next[0].is_empty()) {
            let lines = self.folded(&escaped(&item[0][0]), 0);
            text.extend(lines.lines().map(|line| self.heading(line) + "\n"));
            for (at, heading) in headings.iter().enumerate().skip(1) {
                let cells = item.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty());
                let cells: Vec<String> = cells.map(|cell| escaped(cell)).collect();
                let heading = format!("  {}:", heading.to_lowercase());
                // Several, or one that does not fit behind its heading, get lines of their own, where most names fit whole.
                match &cells[..] {
                    [] => {}
                    [one] if self.has_room(&format!("{heading} {one}")) => text += &format!("{heading} {one}\n"),
                    several => {
                        text += &self.folded(&heading, 2);
                        text.extend(several.iter().map(|cell| self.folded(cell, 4)));
                    }
                }
            }
        }
        text
    }

    /// A text in lines that fit, behind so many spaces, and two more where a line goes on. They end at a space, or where one
    /// word alone is too wide, behind a `/`, `.`, `:`, `,`, `-` or `_` in it, else anywhere.
    pub fn folded(self, text: &str, indent: usize) -> String {
        let mut margin = " ".repeat(indent);
        let mut rest = text.trim_start();
        let mut lines = String::new();
        while !self.has_room(&format!("{margin}{rest}")) {
            let end = self.line_end(rest, margin.len());
            lines += &format!("{margin}{}\n", rest[..end].trim_end());
            rest = rest[end..].trim_start();
            margin = " ".repeat(indent + 2);
        }
        if rest.is_empty() { lines } else { lines + &format!("{margin}{rest}\n") }
    }

    /// Where the first line of a text ends that does not fit; never at its beginning.
    fn line_end(self, text: &str, indent: usize) -> usize {
        let room = self.width.map_or(usize::MAX, |width| width - indent);
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
        let fitting: Vec<usize> = ends.take_while(|end| text[..*end].width() <= room).collect();
        let last_after = |breaks: &[char]| fitting.iter().rfind(|end| text[..**end].ends_with(breaks));
        let space = fitting.iter().rfind(|end| text[**end..].starts_with(' '));
        let end = space.or_else(|| last_after(&['/', '.', ':', ',', '-', '_'])).or(fitting.last());
        // A character that is wider than the room still has to be printed.
        end.copied().unwrap_or_else(|| text.chars().next().map_or(text.len(), char::len_utf8))
    }

    fn has_room(self, line: &str) -> bool {
        self.width.is_none_or(|width| line.width() <= width)
    }

    fn heading(self, line: &str) -> String {
        if self.bold { format!("\x1b[1m{line}\x1b[0m") } else { line.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(width: usize) -> Stdout {
        Stdout { is_terminal: true, width: Some(width), bold: false }
    }

    #[test]
    fn a_line_ends_at_a_space_or_else_inside_a_name() {
        for (text, want) in [
            ("", ""),
            ("short", "  short\n"),
            ("one two three four five", "  one two three four\n    five\n"),
            ("arn:aws:ssm:us-east-1:123456789012:x", "  arn:aws:ssm:us-\n    east-1:\n    123456789012:x\n"),
            ("k /a/b/c/d/e/f/g/h/ij", "  k\n    /a/b/c/d/e/f/g/\n    h/ij\n"),
            (&"x".repeat(40), "  xxxxxxxxxxxxxxxxxx\n    xxxxxxxxxxxxxxxx\n    xxxxxx\n"),
            ("日本日本日本日本日本", "  日本日本日本日本日\n    本\n"),
        ] {
            assert_eq!(of(20).folded(text, 2), want);
        }
        let anywhere = Stdout { is_terminal: false, width: None, bold: false };
        assert_eq!(anywhere.folded(&"x ".repeat(500), 2).lines().count(), 1);
    }

    #[test]
    fn columns_where_there_is_room_else_one_below_the_other() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["NAME", "ASKED FOR"]), row(&["A", "/some/longer/name"]), row(&["", "/b"]), row(&["C"])];
        assert_eq!(of(30).table(&rows), "NAME  ASKED FOR\nA     /some/longer/name\n      /b\nC\n");
        assert_eq!(of(20).table(&rows), "A\n  asked for:\n    /some/longer/\n      name\n    /b\nC\n");
    }
}

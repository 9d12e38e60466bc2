//! A template: text with places for the values of other variables, `{NAME}` or `{NAME:ENCODING}`; `{{` and `}}` are braces.
//! No logic and no loops. A value is data: what looks like a place in it is not read again.
#![forbid(unsafe_code)]

use std::ops::Range;

use crate::name::EnvName;
use crate::secret::Encoding;
use crate::setting::Origin;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Value { variable: EnvName, encoding: Encoding, origin: Origin },
}

/// What is wrong with a template, and where: a range of bytes.
pub struct Malformed {
    pub at: Range<usize>,
    pub why: String,
}

impl Template {
    /// `origin` says where a range of bytes of the text stands, for later messages.
    pub fn parse(text: &str, origin: impl Fn(&Range<usize>) -> Origin) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(brace) = text[at..].find(['{', '}']).map(|found| at + found) {
            literal.push_str(&text[at..brace]);
            let (this, rest) = text[brace..].split_at(1);
            if rest.starts_with(this) {
                literal.push_str(this);
                at = brace + 2;
                continue;
            }
            let end = rest.find(['{', '}']).filter(|end| this == "{" && rest[*end..].starts_with('}'));
            let Some(end) = end else {
                let why = format!("a lone {this} in a template: write {this}{this}, or a place such as {{DB_USER}}");
                return Err(Malformed { at: brace..brace + 1, why });
            };
            let range = brace..brace + 1 + end + 1;
            let (variable, encoding) = place(&rest[..end]).ok_or_else(|| Malformed {
                at: range.clone(),
                why: "a place is {NAME} or {NAME:ENCODING}, and ENCODING is url, base64, json or shell; braces alone are {{ and }}".into(),
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Value { variable, encoding, origin: origin(&range) });
            at = range.end;
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Template { pieces })
    }

    /// The text that is parsed to this.
    pub fn text(&self) -> String {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Piece::Value { variable, encoding, .. } => match ENCODINGS.iter().find(|(_, known)| known == encoding) {
                Some((word, _)) => format!("{{{}:{word}}}", variable.as_str()),
                None => format!("{{{}}}", variable.as_str()),
            },
        });
        texts.collect()
    }

    /// The variables whose values it takes, each as often as it stands there.
    pub fn variables(&self) -> impl Iterator<Item = &EnvName> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value { variable, .. } => Some(variable),
        })
    }
}

/// What stands behind the colon; as it is, a value stands there without one.
const ENCODINGS: [(&str, Encoding); 4] =
    [("url", Encoding::Url), ("base64", Encoding::Base64), ("json", Encoding::Json), ("shell", Encoding::Shell)];

/// `NAME` or `NAME:ENCODING`. What is wrong is not repeated: a file that was named by mistake can hold secrets.
fn place(text: &str) -> Option<(EnvName, Encoding)> {
    let (name, encoding) = text.split_once(':').map_or((text, None), |(name, encoding)| (name, Some(encoding)));
    let encoding = match encoding {
        None => Encoding::None,
        Some(wanted) => ENCODINGS.iter().find(|(word, _)| *word == wanted)?.1,
    };
    let is_word = !name.contains(|c: char| c.is_whitespace() || c.is_control());
    Some((EnvName::new(name).ok().filter(|_| is_word)?, encoding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>, (Range<usize>, String)> {
        let template = Template::parse(text, |_| Origin::Reference).map_err(|wrong| (wrong.at, wrong.why))?;
        let pieces = template.pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Value { variable, encoding, .. } => format!("<{variable} {encoding:?}>"),
        });
        Ok(pieces.collect())
    }

    #[test]
    fn text_places_and_braces() {
        for (text, want) in [
            ("", &[][..]),
            ("plain", &["plain"]),
            ("{A}", &["<A None>"]),
            ("a{A}b{B:url}", &["a", "<A None>", "b", "<B Url>"]),
            ("{{{A}}}", &["{", "<A None>", "}"]),
            ("{{A}}", &["{A}"]),
            ("{A:json}{A:shell}{A:base64}", &["<A Json>", "<A Shell>", "<A Base64>"]),
            ("é{é}é", &["é", "<é None>", "é"]),
        ] {
            assert_eq!(
                parsed(text).as_deref(),
                Ok(&want.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{text}"
            );
            let written = Template::parse(text, |_| Origin::Reference).map(|template| template.text());
            assert_eq!(written.ok().as_deref(), Some(text), "written as it was read");
        }
    }

    #[test]
    fn anything_else_is_told_with_its_place() {
        for (text, at) in [
            ("a}b", 1..2),
            ("{", 0..1),
            ("{A", 0..1),
            ("{A{B}", 0..1),
            ("x{}", 1..3),
            ("{A:}", 0..4),
            ("{A:hex}", 0..7),
            ("{A:url:url}", 0..11),
            ("{A=B}", 0..5),
            ("{a b}", 0..5),
            ("{\"password\": \"hunter2\"}", 0..23),
            ("{{A}", 3..4),
        ] {
            assert_eq!(parsed(text).map_err(|(at, _)| at), Err(at), "{text}");
        }
    }
}

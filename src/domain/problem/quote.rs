//! What may be quoted of a person's text: printable, bounded, without passwords. Pure.
//!
//! An error that shows the line it complains about would otherwise show a password that stands in a database URL on
//! that line, and would hand control characters of a hostile file to the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::SourceLine;

/// The widest piece of a source line that is shown, in terminal columns.
const LINE_WIDTH: usize = 100;

/// Words in the name of a value that must not be quoted. A name that ends in `_file` holds a path, which may.
const SECRET_NAMES: [&str; 7] = ["password", "passwd", "secret", "token", "authorization", "routing_key", "api_key"];

/// `text` without control characters and direction marks (they become `·`), cut to `max` characters with `…`.
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        out.push(if unsafe_to_print(c) { '·' } else { c });
    }
    out
}

/// Control characters move the cursor; direction marks and zero-width characters make a text read as another.
fn unsafe_to_print(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The line of `text` that holds byte `start`, with the place of a word of `length` bytes in it.
pub(super) fn source_line(text: &str, start: usize, length: usize) -> SourceLine {
    let (line_start, line) = line_around(text, start);
    let at = (start - line_start).min(line.len());
    let clean = masked(line);
    let (shown, indent, width) = if clean == line {
        let width = line.get(at..(at + length).min(line.len())).unwrap_or_default().width();
        (line.to_owned(), line.get(..at).unwrap_or_default().replace('\t', " ").width(), width)
    } else {
        // Masking moved what follows it: point at the line's first word rather than at a wrong one.
        let indent = clean.len() - clean.trim_start().len();
        let width = clean.trim_start().split([' ', '=']).next().unwrap_or_default().width();
        (clean, indent, width)
    };
    let shown = printable(&shown.replace('\t', " "), usize::MAX);
    window(&shown, indent, width.max(1))
}

/// Where the line that holds byte `start` begins, and the line.
fn line_around(text: &str, start: usize) -> (usize, &str) {
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(line_start..).unwrap_or_default();
    (line_start, line.split('\n').next().unwrap_or_default().trim_end_matches('\r'))
}

/// The word that is `written` at byte `start`, without its quotes; `***` where it is, or holds, a secret.
pub(super) fn word(text: &str, start: usize, written: &str) -> String {
    let bare = written.trim().trim_matches(|c| c == '"' || c == '\'');
    let line = masked(line_around(text, start).1);
    let shown = [bare.to_owned(), masked_urls(bare)].into_iter().find(|word| line.contains(word.as_str()));
    printable(shown.as_deref().unwrap_or("***"), 80)
}

/// The part of a long line around the word.
fn window(line: &str, indent: usize, width: usize) -> SourceLine {
    let skip = if indent + width.min(LINE_WIDTH / 2) <= LINE_WIDTH { 0 } else { indent.saturating_sub(LINE_WIDTH / 3) };
    let mut text = String::new();
    let mut column = 0;
    let mut shown_from = None;
    for c in line.chars() {
        let wide = c.width().unwrap_or(0);
        if column >= skip {
            let from = *shown_from.get_or_insert(column);
            if column + wide - from > LINE_WIDTH {
                text.push('…');
                break;
            }
            text.push(c);
        }
        column += wide;
    }
    let indent = indent.saturating_sub(shown_from.unwrap_or(0));
    let room = (LINE_WIDTH + 1).saturating_sub(indent).max(1);
    SourceLine { text, indent, width: width.min(room) }
}

/// The same with passwords in URLs, and the values of names that mean a secret, replaced by `***`.
pub(super) fn masked(line: &str) -> String {
    masked_urls(&mask_named(line))
}

/// The same with passwords in URLs replaced by `***`.
pub(super) fn masked_urls(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let authority = tail.find(['/', '?', '#', '"', '\'', ' ']).unwrap_or(tail.len());
        // A password may itself hold a slash that nobody escaped; then the `@` stands further right.
        let quoted = tail.find(['"', '\'', ' ']).unwrap_or(tail.len());
        let user = tail.get(..quoted).unwrap_or_default();
        let end = if user.get(..authority).is_some_and(|a| a.contains('@')) { authority } else { quoted };
        let user = user.get(..end).unwrap_or_default();
        match (user.find(':'), user.rfind('@')) {
            (Some(colon), Some(sign)) if colon < sign => {
                out.push_str(user.get(..=colon).unwrap_or_default());
                out.push_str("***");
                rest = tail.get(sign..).unwrap_or_default();
            }
            _ => {
                out.push_str(tail.get(..end).unwrap_or_default());
                rest = tail.get(end..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    mask_query(&out)
}

/// Masks `?password=…` and `&password=…`, which a database URL may carry too.
fn mask_query(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("password=") {
        let (head, tail) = rest.split_at(at + "password=".len());
        out.push_str(head);
        rest = tail;
        if head.trim_end_matches("password=").ends_with(['?', '&']) {
            out.push_str("***");
            rest = tail.find(['&', '"', '\'', ' ', '#']).and_then(|end| tail.get(end..)).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Masks every quoted text that follows a secret's name on the line.
fn mask_named(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(equals) = rest.find('=') {
        let (name, value) = rest.split_at(equals + 1);
        let key =
            name.trim_end_matches('=').trim_end().rsplit([' ', '{', ',', '.', '?', '&']).next().unwrap_or_default();
        out.push_str(name);
        rest = value;
        let key = key.trim_matches(|c| c == '"' || c == '\'').to_lowercase().replace('-', "_");
        if key.ends_with("_file") || !SECRET_NAMES.iter().any(|secret| key.contains(secret)) {
            continue;
        }
        let value = rest.trim_start();
        if value.starts_with(['{', '[']) {
            continue;
        }
        if !value.starts_with(['"', '\'']) {
            out.push_str("***");
            rest = rest.find(['&', '"', '\'', ' ', ',', '}']).and_then(|end| rest.get(end..)).unwrap_or_default();
            continue;
        }
        let Some(open) = rest.find(['"', '\'']) else { continue };
        let quote = if rest.get(open..).is_some_and(|r| r.starts_with('"')) { '"' } else { '\'' };
        let after = rest.get(open + 1..).unwrap_or_default();
        out.push_str(rest.get(..=open).unwrap_or_default());
        out.push_str("***");
        rest = after.find(quote).and_then(|close| after.get(close..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

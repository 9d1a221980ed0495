//! How meanings look on this terminal, and the few ways in which cells are filled. Every text from a state passes
//! through [`Look::clean`] on its way to a cell.

use super::glyphs::{self, GlyphSet, Mark};
use super::theme::{Level, Role, Theme};
use crate::console::row::{Piece, Row, Sign, Tone, width};
use crate::domain::region::Side;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// The terminal's abilities and the theme.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub theme: &'a Theme,
    pub level: Level,
    pub set: GlyphSet,
}

/// A pane's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Any pane.
    Plain,
    /// The one that has the keys.
    Focus,
    /// Around what can't be undone.
    Danger,
}

/// Words with their style.
type Painted = (String, Style);

impl Look<'_> {
    pub fn role(&self, role: Role) -> Style {
        self.theme.style(role, self.level)
    }

    pub fn mark(&self, mark: Mark) -> &'static str {
        mark.in_set(self.set)
    }

    pub fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::default(),
            Tone::Dim => self.role(Role::Dim),
            Tone::Old => self.role(Role::Stale),
            Tone::Strong => self.role(Role::Title),
            Tone::Good => self.role(Role::Good),
            Tone::Warn => self.role(Role::Warn),
            Tone::Bad => self.role(Role::Bad),
            Tone::Unknown => self.role(Role::Unknown),
            Tone::Overridden => self.role(Role::Overridden),
            Tone::Region(Side::A) => self.role(Role::RegionA),
            Tone::Region(Side::B) => self.role(Role::RegionB),
            Tone::Key => self.role(Role::Key),
            Tone::Danger => self.role(Role::Bad),
            Tone::Field => self.role(Role::Input),
        }
    }

    pub fn sign(&self, sign: Sign) -> &'static str {
        self.mark(match sign {
            Sign::Pass => glyphs::PASS,
            Sign::Warn => glyphs::WARN,
            Sign::Block => glyphs::BLOCK,
            Sign::Unknown => glyphs::UNKNOWN,
            Sign::Overridden => glyphs::OVERRIDDEN,
            Sign::Moot => glyphs::MOOT,
            Sign::ToCome => glyphs::TO_COME,
            Sign::Here => glyphs::HERE,
            Sign::Arrow => glyphs::ARROW,
            Sign::Cursor => glyphs::CURSOR,
        })
    }

    /// A sign in a column of signs: ASCII ones are words of up to four letters, and what follows them stays aligned.
    fn verdict(&self, sign: Sign) -> String {
        match (self.set, sign) {
            (GlyphSet::Unicode, _) | (_, Sign::Arrow | Sign::Cursor | Sign::Here) => self.sign(sign).to_owned(),
            (GlyphSet::Ascii, _) => format!("{:<4}", self.sign(sign)),
        }
    }

    /// A text as this terminal can show it: no control characters, and nothing but ASCII where that is all there is.
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let control = text.chars().any(char::is_control);
        if !control && (self.set == GlyphSet::Unicode || text.is_ascii()) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars().filter(|c| !c.is_control()) {
            match (self.set, c) {
                (GlyphSet::Unicode, _) => out.push(c),
                (_, c) if c.is_ascii() => out.push(c),
                (_, '…') => out.push('~'),
                (_, '·' | '–' | '−' | '—') => out.push('-'),
                (_, '“' | '”') => out.push('"'),
                (_, '’') => out.push('\''),
                // As many columns as before, so that what was measured stays right.
                (_, c) => out.extend(std::iter::repeat_n('?', c.width().unwrap_or(0))),
            }
        }
        Cow::Owned(out)
    }

    /// Fills one line with a row: what follows a fill stands at the right, and is kept when the left has to be cut.
    pub fn row(&self, buf: &mut Buffer, area: Rect, row: &Row) {
        let at = row.0.iter().position(|piece| *piece == Piece::Fill).unwrap_or(row.0.len());
        let (left, right) = row.0.split_at(at);
        let (left, right) = (self.pieces(left), self.pieces(right));
        let columns = usize::from(area.width);
        let taken: usize = right.iter().map(|(text, _)| width(text)).sum::<usize>().min(columns);
        let room = if taken > 0 { columns.saturating_sub(taken + 1) } else { columns };
        self.put(buf, area.x, area.y, room, &left);
        let start = area.x + area.width.saturating_sub(u16::try_from(taken).unwrap_or(area.width));
        self.put(buf, start, area.y, taken, &right);
    }

    /// Fills a pane with rows, from the top.
    pub fn rows<'r>(&self, buf: &mut Buffer, area: Rect, rows: impl IntoIterator<Item = &'r Row>) {
        for (y, row) in (area.y..area.bottom()).zip(rows) {
            self.row(buf, Rect { y, height: 1, ..area }, row);
        }
    }

    fn put(&self, buf: &mut Buffer, x: u16, y: u16, columns: usize, parts: &[Painted]) {
        let all: usize = parts.iter().map(|(text, _)| width(text)).sum();
        let mut left = if all > columns { columns.saturating_sub(1) } else { columns };
        let mut x = x;
        for (text, style) in parts {
            if left == 0 {
                break;
            }
            let (after, _) = buf.set_stringn(x, y, text, left, *style);
            left = left.saturating_sub(usize::from(after - x));
            x = after;
        }
        if all > columns && columns > 0 {
            buf.set_stringn(x, y, self.mark(glyphs::ELLIPSIS), 1, self.role(Role::Dim));
        }
    }

    fn pieces(&self, pieces: &[Piece]) -> Vec<Painted> {
        pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(text, tone) => Some((self.clean(text).into_owned(), self.tone(*tone))),
                Piece::Sign(sign, tone) => Some((self.verdict(*sign), self.tone(*tone))),
                Piece::Word(sign, word, columns, tone) => {
                    let text = match self.set {
                        GlyphSet::Unicode => format!("{} {word}", self.sign(*sign)),
                        GlyphSet::Ascii => (*word).to_owned(),
                    };
                    Some((crate::console::row::pad(&text, *columns), self.tone(*tone)))
                }
                Piece::Spark(values, columns, tone) => {
                    let style = if *tone == Tone::Old { self.tone(*tone) } else { self.role(Role::Chart) };
                    Some((self.spark(values, usize::from(*columns)), style))
                }
                Piece::Flow { whole, rightwards, width } => {
                    let style = self.tone(if *whole { Tone::Good } else { Tone::Bad });
                    Some((self.flow(*whole, *rightwards, usize::from(*width)), style))
                }
                Piece::Bar(columns, tone) => {
                    Some((self.mark(glyphs::BAR).repeat(usize::from(*columns)), self.tone(*tone)))
                }
                Piece::Fill => None,
            })
            .collect()
    }

    fn flow(&self, whole: bool, rightwards: bool, columns: usize) -> String {
        let line = self.mark(if whole { glyphs::FLOW } else { glyphs::FLOW_BROKEN }).repeat(columns.saturating_sub(1));
        match (rightwards, self.set) {
            (true, _) => line + self.mark(glyphs::FLOW_HEAD),
            (false, GlyphSet::Unicode) => format!("◀{line}"),
            (false, GlyphSet::Ascii) => format!("<{line}"),
        }
    }

    /// A small chart from zero to the largest value, the newest at the right.
    fn spark(&self, values: &[f64], columns: usize) -> String {
        let steps = glyphs::chart(self.set);
        let buckets = resample(values, columns);
        let most = buckets.iter().copied().fold(0.0_f64, f64::max);
        let blank = " ".repeat(columns.saturating_sub(buckets.len()));
        let step = |value: &f64| steps.get(level(*value, most, 7)).copied().unwrap_or(" ");
        blank + &buckets.iter().map(step).collect::<String>()
    }

    /// A pane: frame and title; what is returned is the room inside, one column off the frame.
    pub fn pane(&self, buf: &mut Buffer, area: Rect, title: &Row, frame: Frame) -> Rect {
        use ratatui::widgets::{Block, Widget};
        if area.width < 4 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let (set, role) = match frame {
            Frame::Plain => (glyphs::frame(self.set), Role::Border),
            Frame::Focus => (glyphs::frame(self.set), Role::FocusBorder),
            Frame::Danger => (glyphs::danger_frame(self.set), Role::DangerBorder),
        };
        Block::bordered().border_set(set).border_style(self.role(role)).render(area, buf);
        if !title.0.is_empty() {
            let at = title.0.iter().position(|piece| *piece == Piece::Fill).unwrap_or(title.0.len());
            let (left, right) = title.0.split_at(at);
            let taken = self.caption(buf, Rect { x: area.x + 1, width: area.width - 2, ..area }, left, false);
            self.caption(buf, Rect { x: area.x + 1 + taken, width: area.width - 2 - taken, ..area }, right, true);
        }
        Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
    }

    /// Words in a frame's upper edge, a blank at either end. What is returned are the columns that they took.
    fn caption(&self, buf: &mut Buffer, area: Rect, pieces: &[Piece], right: bool) -> u16 {
        let needed: usize = self.pieces(pieces).iter().map(|(text, _)| width(text)).sum();
        if needed == 0 {
            return 0;
        }
        let wide = u16::try_from(needed + 2).unwrap_or(area.width).min(area.width);
        let x = if right { area.right() - wide } else { area.x };
        let row = Row(pieces.iter().filter(|piece| **piece != Piece::Fill).cloned().collect());
        self.row(buf, Rect { x, width: wide, height: 1, ..area }, &Row::new().say(" ").then(row).say(" "));
        wide
    }

    /// A rule across.
    pub fn rule(&self, buf: &mut Buffer, area: Rect) {
        let line = self.mark(glyphs::RULE).repeat(usize::from(area.width));
        buf.set_stringn(area.x, area.y, line, usize::from(area.width), self.role(Role::Border));
    }

    /// The line under the cursor: its ground, over what is painted there.
    pub fn select(&self, buf: &mut Buffer, area: Rect) {
        let style = self.role(Role::Selected);
        // The ground and the attributes only: colours of states stay readable on it.
        buf.set_style(area, Style { fg: None, ..style }.remove_modifier(Modifier::DIM));
    }
}

/// Values in at most so many buckets, each the largest of its own: a peak is never averaged away.
pub fn resample(values: &[f64], columns: usize) -> Vec<f64> {
    if values.len() <= columns || columns == 0 {
        return values.iter().skip(values.len().saturating_sub(columns)).copied().collect();
    }
    (0..columns)
        .map(|at| {
            let (from, to) = (at * values.len() / columns, ((at + 1) * values.len() / columns).max(1));
            values.get(from..to).unwrap_or_default().iter().copied().fold(0.0_f64, f64::max)
        })
        .collect()
}

/// A value as a step from 0 to `steps`; only zero is 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
pub fn level(value: f64, most: f64, steps: usize) -> usize {
    if most <= 0.0 || value <= 0.0 || !value.is_finite() {
        return 0;
    }
    ((value / most * steps as f64).round() as usize).clamp(1, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_kept_and_zero_is_the_lowest_step() {
        let mut values = vec![0.0; 300];
        values[123] = 9.0;
        let buckets = resample(&values, 20);
        assert_eq!(buckets.len(), 20);
        assert!(buckets.contains(&9.0));
        assert_eq!(level(0.0, 9.0, 7), 0);
        assert_eq!(level(0.001, 9.0, 7), 1);
        assert_eq!(level(9.0, 9.0, 7), 7);
        assert_eq!(resample(&[1.0, 2.0], 1), [2.0]);
    }
}

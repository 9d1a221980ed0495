//! Marks: the small signs beside a colour, so that nothing rests on hue alone. Pure.
//!
//! Argo's own signs are kept, operators know them (argo-workflows `cmd/argo/commands/common/common.go`); in ASCII each
//! becomes a word or a sign that a terminal of any age shows. No sign is of ambiguous width or an emoji: each takes the
//! columns that `unicode-width` counts, which is one.

use ratatui::symbols::border;

use crate::domain::freshness::Freshness;
use crate::domain::workflow::Phase;

/// Which signs the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GlyphSet {
    /// Signs beyond ASCII.
    #[default]
    Unicode,
    /// ASCII only.
    Ascii,
}

/// A sign, in both sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// One column wide.
    pub unicode: &'static str,
    /// ASCII, one or a few columns wide.
    pub ascii: &'static str,
}

impl Mark {
    const fn new(unicode: &'static str, ascii: &'static str) -> Self {
        Self { unicode, ascii }
    }

    /// The sign in a set.
    pub const fn in_set(self, set: GlyphSet) -> &'static str {
        match set {
            GlyphSet::Unicode => self.unicode,
            GlyphSet::Ascii => self.ascii,
        }
    }
}

/// Passed: as it should be, on fresh evidence.
pub const PASS: Mark = Mark::new("✔", "ok");
/// Goes, at a price.
pub const WARN: Mark = Mark::new("▲", "warn");
/// As it must not be.
pub const BLOCK: Mark = Mark::new("✖", "BAD");
/// Can't be told.
pub const UNKNOWN: Mark = Mark::new("?", "?");
/// Passed over by a person; never drawn as passed.
pub const OVERRIDDEN: Mark = Mark::new("!", "OVER");
/// The question does not arise.
pub const MOOT: Mark = Mark::new("–", "n/a");
/// Still to come.
pub const TO_COME: Mark = Mark::new("·", ".");
/// At this one now.
pub const HERE: Mark = Mark::new("▶", ">");
/// Running: answers, works.
pub const ALIVE: Mark = Mark::new("●", "up");
/// Overdue.
pub const LATE: Mark = Mark::new("◐", "late");
/// Too old to act on.
pub const STALE: Mark = Mark::new("◌", "STALE");
/// Never seen, or refused.
pub const BLIND: Mark = Mark::new("✖", "BLIND");
/// Cut off here.
pub const ELLIPSIS: Mark = Mark::new("…", "~");
/// From here to there.
pub const ARROW: Mark = Mark::new("→", "->");
/// Between two facts of one line.
pub const SEPARATOR: Mark = Mark::new("·", "|");
/// Between the parts of where one is.
pub const CRUMB: Mark = Mark::new("▸", ">");
/// Sorted upwards.
pub const ASCENDING: Mark = Mark::new("↑", "^");
/// Sorted downwards.
pub const DESCENDING: Mark = Mark::new("↓", "v");
/// The cursor of a text field.
pub const CURSOR: Mark = Mark::new("▏", "_");

/// The line of replication, whole and broken: one column, repeated, and its head.
pub const FLOW: Mark = Mark::new("━", "=");
/// The broken line.
pub const FLOW_BROKEN: Mark = Mark::new("╌", ".");
/// The head of either.
pub const FLOW_HEAD: Mark = Mark::new("▶", ">");

/// The sign of a run's or node's phase.
pub const fn phase(phase: Phase) -> Mark {
    match phase {
        Phase::New => Mark::new("·", "New"),
        Phase::Pending => Mark::new("◷", "Pending"),
        Phase::Running => Mark::new("●", "Running"),
        Phase::Succeeded => Mark::new("✔", "Succeeded"),
        Phase::Skipped => Mark::new("○", "Skipped"),
        Phase::Failed => Mark::new("✖", "Failed"),
        Phase::Error => Mark::new("⚠", "Error"),
        Phase::Omitted => Mark::new("○", "Omitted"),
    }
}

/// The sign of a suspended node, which Argo draws in place of its phase.
pub const SUSPENDED: Mark = Mark::new("ǁ", "Suspend");

/// The sign of how fresh a source's facts are.
pub const fn freshness(freshness: Freshness) -> Mark {
    match freshness {
        Freshness::Live(_) => ALIVE,
        Freshness::Late(_) => LATE,
        Freshness::Stale(_) => STALE,
        Freshness::Blind => BLIND,
    }
}

/// The signs of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Before a child that others follow.
    pub branch: &'static str,
    /// Before the last child.
    pub last: &'static str,
    /// Beside the children of a node that others follow.
    pub bar: &'static str,
    /// Beside the children of a last node.
    pub gap: &'static str,
}

/// The signs of a tree, as `argo get` draws it with and without `--no-utf8`.
pub const fn tree(set: GlyphSet) -> Tree {
    match set {
        GlyphSet::Unicode => Tree { branch: "├─", last: "└─", bar: "│ ", gap: "  " },
        GlyphSet::Ascii => Tree { branch: "|-", last: "`-", bar: "| ", gap: "  " },
    }
}

/// The frame of a pane.
pub const fn frame(set: GlyphSet) -> border::Set<'static> {
    match set {
        GlyphSet::Unicode => border::PLAIN,
        GlyphSet::Ascii => ascii_frame("-", "|", "+"),
    }
}

/// The frame around what can't be undone: another shape too, not only another colour.
pub const fn danger_frame(set: GlyphSet) -> border::Set<'static> {
    match set {
        GlyphSet::Unicode => border::DOUBLE,
        GlyphSet::Ascii => ascii_frame("=", "#", "#"),
    }
}

const fn ascii_frame(level: &'static str, upright: &'static str, corner: &'static str) -> border::Set<'static> {
    border::Set {
        top_left: corner,
        top_right: corner,
        bottom_left: corner,
        bottom_right: corner,
        vertical_left: upright,
        vertical_right: upright,
        horizontal_top: level,
        horizontal_bottom: level,
    }
}

/// A rule across the screen.
pub const RULE: Mark = Mark::new("─", "-");

/// The steps of a small chart, lowest first. In ASCII they rise as far as signs can.
pub const fn chart(set: GlyphSet) -> [&'static str; 8] {
    match set {
        GlyphSet::Unicode => ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        GlyphSet::Ascii => ["_", ".", ":", "-", "=", "+", "*", "#"],
    }
}

/// A bar of a length, as in the report's phases.
pub const BAR: Mark = Mark::new("█", "#");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use unicode_width::UnicodeWidthStr;

    use super::*;

    const MARKS: [Mark; 27] = [
        PASS,
        WARN,
        BLOCK,
        UNKNOWN,
        OVERRIDDEN,
        MOOT,
        TO_COME,
        HERE,
        ALIVE,
        LATE,
        STALE,
        BLIND,
        ELLIPSIS,
        ARROW,
        SEPARATOR,
        CRUMB,
        ASCENDING,
        DESCENDING,
        CURSOR,
        FLOW,
        FLOW_BROKEN,
        FLOW_HEAD,
        SUSPENDED,
        RULE,
        BAR,
        phase(Phase::Error),
        phase(Phase::Pending),
    ];

    #[test]
    fn every_sign_is_one_column_and_has_an_ascii_form() {
        for mark in MARKS {
            assert_eq!(mark.unicode.width(), 1, "{mark:?}");
            assert_eq!(mark.unicode.chars().count(), 1, "{mark:?}");
            assert!(mark.ascii.is_ascii() && !mark.ascii.is_empty(), "{mark:?}");
        }
        for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
            assert!(chart(set).iter().all(|step| step.width() == 1));
            let tree = tree(set);
            assert!([tree.branch, tree.last, tree.bar, tree.gap].iter().all(|part| part.width() == 2));
            for frame in [frame(set), danger_frame(set)] {
                assert!(
                    [frame.top_left, frame.vertical_left, frame.horizontal_top].iter().all(|part| part.width() == 1)
                );
            }
            assert_ne!(frame(set), danger_frame(set));
        }
    }

    #[test]
    fn states_that_must_not_be_mistaken_have_signs_of_their_own() {
        let verdicts = [PASS, WARN, BLOCK, UNKNOWN, OVERRIDDEN, MOOT];
        let live = Duration::ZERO;
        let ages =
            [Freshness::Live(live), Freshness::Late(live), Freshness::Stale(live), Freshness::Blind].map(freshness);
        for group in [&verdicts[..], &ages[..]] {
            for (index, one) in group.iter().enumerate() {
                for other in &group[index + 1..] {
                    assert_ne!(one.unicode, other.unicode);
                    assert_ne!(one.ascii, other.ascii);
                }
            }
        }
    }
}

//! From a key to an action, by what has the focus.

use super::act;
use super::action::Action;
use super::command::Command;
use super::field::Field;
use super::filter::Filter;
use super::key::{Code, Key};
use super::keymap::{Lookup, Mode};
use super::layout::Form;
use super::state::{Guard, Overlay, State};
use crate::domain::fleet::happening::Weight;

/// `burst`: it came in one read with others.
pub(super) fn press(state: &mut State, key: Key, burst: bool) -> Vec<Command> {
    // A word has been read by whoever goes on typing.
    if state.notice.as_ref().is_some_and(|notice| notice.weight == Weight::Info) {
        state.notice = None;
    }
    if state.size.form() == Form::TooSmall {
        // Nothing can be read, so nothing can be meant: only leaving works, and not past a question.
        state.chord.clear();
        let leaves = key == Key::char('q') || key == Key::ctrl('c');
        return if leaves && state.overlay == Overlay::None {
            command(state, Mode::Table, key, burst)
        } else {
            Vec::new()
        };
    }
    if state.dialog().is_some_and(|dialog| !dialog.painted) {
        // Typed before the question was on the screen: it was not meant for it.
        state.chord.clear();
        return Vec::new();
    }
    match state.mode() {
        Mode::Text => typed(state, key, burst),
        mode => command(state, mode, key, burst),
    }
}

fn command(state: &mut State, mode: Mode, key: Key, burst: bool) -> Vec<Command> {
    state.chord.push(key);
    match state.keymap.lookup(mode, &state.chord) {
        Lookup::Action(action) => {
            state.chord.clear();
            allowed(state, action, key, burst)
        }
        Lookup::Pending => Vec::new(),
        Lookup::None if state.chord.len() > 1 => {
            // The chord came to nothing; its last key may mean something by itself. Escape only gives the chord up.
            state.chord.clear();
            if key.code == Code::Esc { Vec::new() } else { command(state, mode, key, burst) }
        }
        Lookup::None => {
            state.chord.clear();
            stray(state, key);
            Vec::new()
        }
    }
}

/// A printable key that is no answer to the open question: somebody types something else, and the enter at its end must
/// not say yes. The key that opened the question opens it anew.
fn stray(state: &mut State, key: Key) {
    let Overlay::Dialog(dialog) = &mut state.overlay else { return };
    if dialog.field().is_some() || !key.is_printable() {
        return;
    }
    if dialog.opened_by == Some(key) {
        if std::mem::take(&mut dialog.stray) {
            dialog.note = None;
            dialog.unpainted();
        }
        return;
    }
    let again = dialog
        .opened_by
        .filter(|by| by.is_printable())
        .map_or_else(|| "close this and ask again".to_owned(), |by| format!("press {by} again"));
    dialog.stray = true;
    dialog.note = Some(format!("not confirmed: other keys were typed; {again}"));
}

/// What leads to an effect is held back just after the focus came back, where it came with other keys in one read, and
/// where the key itself opened the question.
fn allowed(state: &mut State, action: Action, key: Key, burst: bool) -> Vec<Command> {
    let dangerous = action.is_dangerous() || action == Action::Detach;
    if dangerous && state.guard != Guard::Open {
        state.say(Weight::Warn, "ignored: the terminal has only just got the focus; press again");
        return Vec::new();
    }
    // A list or the palette is confirmed by a burst as well: neither ends in an effect.
    if dangerous && burst && (action != Action::Confirm || state.dialog().is_some()) {
        not_confirmed(state, &format!("{key} came together with other keys: press it again"));
        return Vec::new();
    }
    if action == Action::Confirm
        && let Some(dialog) = state.dialog()
    {
        let (asks, now) = (dialog.field().is_none(), state.fleet.now);
        let why = if asks && dialog.opened_by == Some(key) {
            Some(format!("{key} opened the question, so it does not say yes"))
        } else if dialog.stray {
            // What the note says stays.
            return Vec::new();
        } else if let Some(more) = state.more_of_question() {
            Some(more)
        } else if !dialog.readable(now) {
            Some(format!("{key} came too soon after the question: read it, then press again"))
        } else {
            None
        };
        if let Some(why) = why {
            not_confirmed(state, &why);
            return Vec::new();
        }
    }
    act::act(state, action, key)
}

/// Says why a key was not taken: in the question where one is open, since that is what is looked at.
fn not_confirmed(state: &mut State, why: &str) {
    match &mut state.overlay {
        Overlay::Dialog(dialog) => dialog.note = Some(format!("not confirmed: {why}")),
        _ => state.say(Weight::Warn, format!("ignored: {why}")),
    }
}

fn typed(state: &mut State, key: Key, burst: bool) -> Vec<Command> {
    if let Lookup::Action(action) = state.keymap.lookup(Mode::Text, &[key]) {
        let commands = match (action, focused(state)) {
            (Action::DeleteBack, Some(field)) => edit(field, Field::delete_back),
            (Action::DeleteForward, Some(field)) => edit(field, Field::delete_forward),
            (Action::DeleteWord, Some(field)) => edit(field, Field::delete_word),
            (Action::DeleteLine, Some(field)) => edit(field, Field::clear),
            (Action::Left, Some(field)) => edit(field, Field::left),
            (Action::Right, Some(field)) => edit(field, Field::right),
            (Action::LineStart, Some(field)) => edit(field, Field::start),
            (Action::LineEnd, Some(field)) => edit(field, Field::end),
            _ => return allowed(state, action, key, burst),
        };
        after_edit(state);
        return commands;
    }
    if let (Code::Char(c), true, Some(field)) = (key.code, key.is_printable(), focused(state)) {
        field.insert(c);
        after_edit(state);
    }
    Vec::new()
}

fn edit(field: &mut Field, how: fn(&mut Field)) -> Vec<Command> {
    how(field);
    Vec::new()
}

pub(super) fn paste(state: &mut State, text: &str) {
    if state.dialog().is_some_and(|dialog| !dialog.painted) {
        return;
    }
    match focused(state) {
        Some(field) => {
            field.paste(text);
            after_edit(state);
        }
        None => state.say(Weight::Info, "pasted text is ignored here: no text field has the focus"),
    }
}

fn focused(state: &mut State) -> Option<&mut Field> {
    match &mut state.overlay {
        Overlay::None => None,
        Overlay::Filter { field, .. } => Some(field),
        Overlay::Palette(palette) => Some(&mut palette.field),
        Overlay::Dialog(dialog) => dialog.field_mut(),
    }
}

/// A list is filtered while one types, and the palette finds.
fn after_edit(state: &mut State) {
    match &mut state.overlay {
        Overlay::Filter { field, .. } => {
            let filter = Filter::read(&field.text());
            state.set_filter(filter);
        }
        Overlay::Palette(palette) => palette.find(),
        Overlay::Dialog(dialog) => dialog.note = None,
        Overlay::None => {}
    }
}

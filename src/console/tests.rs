//! What keys may and may not do, on states made from observations.

use super::action::Action;
use super::dialog::Ask;
use super::event::{Event, RunNews};
use super::fixtures::*;
use super::key::{Code, Key};
use super::layout::Size;
use super::state::{Access, Overlay, State};
use super::view::View;
use super::{Command, update};
use crate::domain::fleet::happening::Weight;
use crate::domain::freshness::Source;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::observation::{Change, Fact, Observation};
use crate::domain::region::Side;
use crate::domain::workflow::Phase;
use proptest::prelude::*;
use std::sync::LazyLock;

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => (32_u8..127).prop_map(|c| Key::char(char::from(c))),
        2 => prop::sample::select(vec!['c', 'd', 'f', 'b', 'u', 'r', 'l', 'w', 'z', 'a', 'e']).prop_map(Key::ctrl),
        5 => prop::sample::select(vec![
            Code::Enter, Code::Esc, Code::Tab, Code::BackTab, Code::Backspace, Code::Delete, Code::Home, Code::End,
            Code::PageUp, Code::PageDown, Code::Up, Code::Down, Code::Left, Code::Right, Code::F(1),
        ]).prop_map(Key::plain),
        3 => prop::sample::select(vec!['R', 'T', 'A', 'O', 'X', 'D', ':', '/', 'f', 'p']).prop_map(Key::char),
    ]
}

/// What may happen to a console between two frames.
#[derive(Debug, Clone)]
enum Happening {
    Key(Key),
    Paste(String),
    Tick(i64),
    Painted,
    Focus,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        10 => keys().prop_map(Happening::Key),
        5 => Just(Happening::Painted),
        1 => "us-east1|us-central1|a reason long enough|\\PC{0,20}".prop_map(Happening::Paste),
        1 => (0_i64..5).prop_map(Happening::Tick),
        1 => Just(Happening::Focus),
    ];
    prop::collection::vec(one, 1..120)
}

fn happen(state: &mut State, happening: Happening, clock: &mut i64) -> Vec<Command> {
    update(
        state,
        match happening {
            Happening::Key(key) => Event::Key(key),
            Happening::Paste(text) => Event::Paste(text),
            Happening::Painted => Event::Painted,
            Happening::Focus => Event::FocusGained,
            Happening::Tick(seconds) => {
                *clock += seconds;
                Event::Tick(at(*clock))
            }
        },
    )
}

fn is_region_start(command: &Command) -> bool {
    matches!(command, Command::Start { consent: Some(consent), .. } if consent.typed.is_some())
}

static READING: LazyLock<State> = LazyLock::new(|| {
    let mut state = fresh_with(SMALL, Access::ReadOnly, policy());
    live(&mut state, 0, 4, &Side::BOTH);
    state
});

static WATCHING: LazyLock<State> = LazyLock::new(|| {
    let mut state = READING.clone();
    declare(&mut state, 5);
    state
});

static PROMOTING: LazyLock<State> = LazyLock::new(|| at_promote(SMALL));

static DECLARED: LazyLock<State> = LazyLock::new(|| {
    let mut state = outage(SMALL, 60);
    declare(&mut state, 181);
    state
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn read_only_never_asks_for_a_write(happenings in happenings(), with_run: bool) {
        // Even if the session says that this process drives.
        let mut state = if with_run { WATCHING.clone() } else { READING.clone() };
        let mut clock = 6;
        for happening in happenings {
            for command in happen(&mut state, happening, &mut clock) {
                prop_assert!(!command.writes(), "{command:?}");
            }
            prop_assert!(!state.drives());
            prop_assert!(!matches!(&state.overlay, Overlay::Dialog(dialog)
                if !matches!(dialog.ask, Ask::Quit)), "a question about a write is open");
        }
    }

    #[test]
    fn nothing_but_the_typed_name_starts_what_cannot_be_undone(
        chain in prop::collection::vec(prop::sample::select(vec!["enter", "y", "Y", "space", "R", "tab", "down"]), 1..80)
    ) {
        let mut state = PROMOTING.clone();
        for keys in chain {
            for command in press(&mut state, keys) {
                prop_assert!(!is_region_start(&command), "{command:?}");
            }
        }
    }
}

#[test]
fn no_single_key_repeated_starts_anything_that_asks() {
    let mut all: Vec<Key> = (32_u8..127).map(|c| Key::char(char::from(c))).collect();
    all.extend((b'a'..=b'z').filter(|c| !b"him".contains(c)).map(|c| Key::ctrl(char::from(c))));
    all.extend([Code::Enter, Code::Esc, Code::Tab, Code::Backspace, Code::Down, Code::F(1)].map(Key::plain));
    for base in [&PROMOTING, &DECLARED] {
        for key in &all {
            let mut state = (*base).clone();
            for _ in 0..12 {
                let later = state.fleet.now + std::time::Duration::from_millis(600);
                update(&mut state, Event::Tick(later));
                for command in update(&mut state, Event::Key(*key)) {
                    let writes = command.writes() && !matches!(command, Command::Finish);
                    assert!(!writes, "{key} repeated asks for {command:?}");
                }
                update(&mut state, Event::Painted);
            }
        }
    }
}

#[test]
fn the_typed_name_and_enter_start_it_once() {
    let mut state = at_promote(SMALL);
    assert_eq!(press(&mut state, "R"), [Command::DiscardInput]);
    type_text(&mut state, "us-central1");
    assert_eq!(press(&mut state, "enter"), []);
    let note = state.dialog().and_then(|dialog| dialog.note.clone()).unwrap();
    assert!(note.contains("\"us-central1\" is not us-east1"), "{note}");
    press(&mut state, "ctrl-u");
    type_text(&mut state, "us-east1");
    let commands = press(&mut state, "enter");
    assert!(
        matches!(&commands[..], [Command::Start { step, consent: Some(given) }]
        if step == "promote" && given.typed.as_deref() == Some("us-east1")),
        "{commands:?}"
    );
    assert_eq!(state.overlay, Overlay::None);
}

#[test]
fn what_was_typed_before_the_question_was_painted_is_thrown_away() {
    let mut state = at_promote(SMALL);
    update(&mut state, Event::Key(Key::char('R')));
    type_text(&mut state, "us-east1");
    update(&mut state, Event::Paste("us-east1".to_owned()));
    assert_eq!(update(&mut state, Event::Key(Key::plain(Code::Enter))), []);
    assert!(state.dialog().and_then(|dialog| dialog.field()).unwrap().is_empty());
}

#[test]
fn effects_that_change_void_what_was_typed() {
    let mut state = at_promote(SMALL);
    press(&mut state, "R");
    type_text(&mut state, "us-east1");
    replica_moves(&mut state, 303);
    let dialog = state.dialog().unwrap();
    assert!(dialog.field().unwrap().is_empty());
    assert!(dialog.note.as_ref().unwrap().contains("has changed"), "{:?}", dialog.note);
    // Until the change has been painted, no key is taken.
    assert_eq!(update(&mut state, Event::Key(Key::plain(Code::Enter))), []);
    type_text(&mut state, "us-east1");
    assert!(state.dialog().unwrap().field().unwrap().is_empty());
}

#[test]
fn a_gate_that_holds_again_closes_the_question() {
    let mut state = at_promote(SMALL);
    press(&mut state, "R");
    // The old primary is back and accepts writes.
    live(&mut state, 304, 304, &Side::BOTH);
    assert!(state.dialog().is_none());
    assert!(state.notice.as_ref().is_some_and(|notice| notice.weight == Weight::Warn));
    press(&mut state, "R");
    assert!(state.dialog().is_none());
}

#[test]
fn keys_that_lead_to_an_effect_wait_after_the_focus_came_back() {
    let mut state = at_promote(SMALL);
    update(&mut state, Event::FocusGained);
    press(&mut state, "R");
    assert!(state.dialog().is_none());
    update(&mut state, Event::Tick(at(303)));
    press(&mut state, "R");
    assert!(state.dialog().is_none(), "the guard ends 300 ms after the first tick, not with it");
    update(&mut state, Event::Tick(at(304)));
    press(&mut state, "R");
    assert!(state.dialog().is_some());
}

#[test]
fn an_override_takes_a_reason_and_the_right_person() {
    // With break-glass off, the fence takes a second person.
    let mut state = outage(SMALL, 150);
    declare(&mut state, 271);
    for second in 0..2 {
        live(&mut state, 271 + second * 4, 271 + second * 4, &[Side::B]);
        if second > 0 {
            lock_held(&mut state, 272 + second * 4);
        }
        step(&mut state, 273 + second * 4);
    }
    let mut broken = policy();
    broken.break_glass = true;
    start_unreachable(&mut state, 281);
    press(&mut state, "O");
    let notice = state.notice.clone().unwrap().text;
    assert!(state.dialog().is_none() && notice.contains("break_glass is off"), "{notice}");

    state.fleet.policy = std::sync::Arc::new(broken);
    press(&mut state, "O");
    assert!(matches!(&state.dialog().unwrap().ask, Ask::Override { break_glass: true, .. }));
    type_text(&mut state, "short");
    assert_eq!(press(&mut state, "enter"), []);
    type_text(&mut state, " but now long enough");
    let commands = press(&mut state, "enter");
    assert!(
        matches!(&commands[..], [Command::Override { shown, break_glass: true, .. }] if shown.gate == "old-region-fenced")
    );
}

/// What is decided on is what was painted when the reason was typed; what is worse by now is asked anew.
#[test]
fn an_override_is_of_the_answer_that_was_painted() {
    use crate::gates::{Finding, Verdict};
    let mut state = DECLARED.clone();
    let unknown = |amount: Option<u64>, verdict| {
        let gate = "loss-limit".to_owned();
        let text = format!("may lose {amount:?}");
        let (evidence, lift, lifted_by) = (Vec::new(), String::new(), None);
        Finding { gate, answer: crate::gates::Answer { verdict, text, evidence, lift, lifted_by, amount } }
    };
    let hold = |state: &mut State, finding: Finding| {
        use crate::playbook::propose::{GateLine, Next};
        let proposal = state.derived.proposal.as_mut().unwrap();
        proposal.next = Next::Held;
        let override_by = crate::gates::OverrideBy::Reason;
        proposal.gates = vec![GateLine { finding, override_by, overridden: None }];
        state.hold_dialog_to_facts();
        update(state, Event::Painted);
    };
    let first = unknown(Some(2_000_000), Verdict::Block);
    hold(&mut state, first.clone());
    state.trail.go(View::Run);
    update(&mut state, Event::Key(Key::char('O')));
    update(&mut state, Event::Painted);
    type_text(&mut state, "agreed with the owner");
    hold(&mut state, unknown(Some(1_000_000), Verdict::Block));
    let ask = |state: &State| match &state.dialog().unwrap().ask {
        Ask::Override { shown, field, .. } => ((**shown).clone(), field.text()),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&state), (first.clone(), "agreed with the owner".to_owned()), "less is covered by what was painted");
    for worse in [unknown(Some(2_000_001), Verdict::Block), unknown(None, Verdict::Block)] {
        hold(&mut state, first.clone());
        hold(&mut state, worse.clone());
        let (shown, typed) = ask(&state);
        assert_eq!((shown, typed.as_str()), (worse, ""));
        let note = state.dialog().unwrap().note.clone().unwrap();
        assert!(note.contains("worse than when it was opened"), "{note}");
        press(&mut state, "esc");
        hold(&mut state, first.clone());
        update(&mut state, Event::Key(Key::char('O')));
        update(&mut state, Event::Painted);
        type_text(&mut state, "agreed");
    }
}

#[test]
fn a_gate_that_nobody_may_override_asks_nothing() {
    let mut state = at_promote(SMALL);
    // The lock that was seen is over by now.
    live(&mut state, 400, 400, &[Side::B]);
    press(&mut state, "O");
    assert!(state.dialog().is_none());
    assert!(state.notice.clone().unwrap().text.contains("may not be overridden by anybody"), "{:?}", state.notice);
}

fn page_text(state: &State) -> String {
    state.page.rows.iter().map(|row| row.text() + "\n").collect()
}

#[test]
fn a_held_step_says_what_it_would_send_and_who_can_go_on() {
    let mut state = at_promote(WIDE);
    // The lock that was seen is over by now.
    live(&mut state, 400, 400, &[Side::B]);
    update(&mut state, Event::Tick(at(401)));
    assert!(matches!(state.turn(), super::guide::Turn::Held(_)), "{:?}", state.turn());
    let text = page_text(&state);
    assert!(text.contains("it would send, once nothing holds it"), "{text}");
    assert!(!text.contains("it asks, or waits"), "{text}");
    assert!(!state.hints().iter().any(|hint| hint.words == "go on with a reason"));
}

/// Our line was cut, or the region is back: to give the failover up is one key, and it is said.
#[test]
fn a_primary_that_came_back_before_the_promotion_is_loud() {
    let mut state = at_promote(WIDE);
    assert!(!state.came_back());
    live(&mut state, 304, 308, &Side::BOTH);
    lock_held(&mut state, 309);
    assert!(state.came_back());
    let text = page_text(&state);
    assert!(text.contains("us-central1 answers again and streams"), "{text}");
    press(&mut state, "R");
    let question = state.question().unwrap();
    let asked: String = question.rows.iter().chain(&question.foot).map(|row| row.text() + " ").collect();
    assert!(asked.contains("esc, then X gives the failover up"), "{asked}");
    assert!(!ended(WIDE).came_back());
}

#[test]
fn quitting_asks_only_while_a_run_is_driven_and_never_aborts() {
    let mut state = healthy(SMALL);
    assert_eq!(press(&mut state, "q"), [Command::Quit]);
    assert_eq!(press(&mut state, "ctrl-c"), [Command::Quit]);
    let mut state = at_promote(SMALL);
    assert_eq!(press(&mut state, "q"), [Command::DiscardInput]);
    assert_eq!(press(&mut state, "esc"), []);
    press(&mut state, "q");
    assert_eq!(press(&mut state, "enter"), [Command::Detach, Command::Quit]);
}

#[test]
fn escape_goes_back_and_never_quits() {
    let mut state = healthy(SMALL);
    for keys in ["w", "d", "m", "?", ":", "/", "w /"] {
        press(&mut state, keys);
        for _ in 0..6 {
            assert!(!press(&mut state, "esc").contains(&Command::Quit));
        }
        assert_eq!(state.trail.here(), View::Overview);
        assert_eq!(state.overlay, Overlay::None);
    }
}

#[test]
fn in_a_text_field_no_letter_is_a_command_and_paste_goes_nowhere_else() {
    let mut state = healthy(SMALL);
    press(&mut state, "/");
    assert_eq!(type_text(&mut state, "q:RTAOXDf"), []);
    assert_eq!(state.runs.filter.text, "q:RTAOXDf");
    assert_eq!(state.runs.filter.complaint.as_deref(), Some("no field is called \"q\": region, ns, status"));
    press(&mut state, "ctrl-u");
    update(&mut state, Event::Paste("train\nllm\u{1b}[2J".to_owned()));
    assert_eq!(state.runs.filter.text, "train llm [2J");
    press(&mut state, "esc");
    assert_eq!(state.runs.filter.text, "");
    update(&mut state, Event::Paste("q".to_owned()));
    assert!(state.notice.as_ref().unwrap().text.contains("ignored"));
}

#[test]
fn the_selection_stays_with_its_run() {
    let mut state = healthy(SMALL);
    press(&mut state, "down down");
    let selected = state.runs.selected.clone().unwrap();
    assert_eq!(selected.1.name, "nightly-etl-1764");
    let mut new = runs().remove(0);
    new.0 = ObjectKey::new("ml", "brand-new");
    new.1.created = at(120);
    let fact = Fact::Runs(Change::Apply(new.0, new.1));
    update(&mut state, Event::Observed(vec![Observation { source: Source::Kubernetes(Side::A), at: at(122), fact }]));
    update(&mut state, Event::Tick(at(124)));
    assert_eq!(state.runs.entries[0].1.name, "brand-new");
    assert_eq!(state.runs.selected.as_ref(), Some(&selected));
    assert_eq!(state.runs.entries[state.runs.cursor], selected);
}

#[test]
fn a_filter_narrows_while_one_types_and_counts() {
    let mut state = healthy(SMALL);
    press(&mut state, "w /");
    type_text(&mut state, "status:failed");
    assert_eq!(state.runs.matching, 3);
    assert_eq!(state.runs.counts.a.total, 45);
    let failed = |state: &State| {
        state
            .runs
            .entries
            .iter()
            .all(|(side, key)| state.fleet.region(*side).runs.get(key).unwrap().phase == Phase::Failed)
    };
    assert!(failed(&state));
    press(&mut state, "enter esc");
    assert_eq!(state.runs.matching, 45, "escape clears the filter before it leaves the view");
    assert_eq!(state.trail.here(), View::Workflows);
}

#[test]
fn details_are_asked_for_what_is_in_sight_and_not_again_at_once() {
    let mut state = healthy(SMALL);
    let asked = |commands: Vec<Command>| {
        commands
            .into_iter()
            .filter_map(|c| if let Command::Details(rows) = c { Some(rows) } else { None })
            .flatten()
            .count()
    };
    assert_eq!(asked(update(&mut state, Event::Tick(at(123)))), 0, "asked while it was fed");
    assert_eq!(asked(update(&mut state, Event::Tick(at(140)))), 0, "the region is stale by then");
    live(&mut state, 141, 141, &Side::BOTH);
    let again = asked(update(&mut state, Event::Tick(at(145))));
    assert!(again == 5 || again == 0, "{again}");
}

#[test]
fn palette_goes_to_the_question_and_never_asks_it_itself() {
    let mut state = at_promote(SMALL);
    press(&mut state, "o");
    let commands = type_palette(&mut state, "run-step");
    assert_eq!(commands, []);
    assert!(state.dialog().is_none());
    assert_eq!(state.trail.here(), View::Run);
    assert!(state.notice.as_ref().unwrap().text.contains("press R"));
    let mut state = healthy(SMALL);
    type_palette(&mut state, "playbook run fence");
    assert_eq!(state.selected_playbook().unwrap().name, "fence");
    assert!(matches!(&type_palette(&mut state, "wf train-llm-8k2")[..], [Command::OpenRun { side: Side::A, .. }]));
    assert_eq!(press(&mut state, "esc"), [Command::CloseRun]);
}

#[test]
fn a_run_is_declared_only_by_a_second_key() {
    let mut state = outage(SMALL, 60);
    press(&mut state, "f");
    assert_eq!(state.trail.here(), View::Playbooks);
    assert_eq!(press(&mut state, "R R R"), [Command::DiscardInput]);
    assert_eq!(press(&mut state, "enter"), [Command::StartRun { playbook: "failover".to_owned() }]);
}

/// Keys that are no answer: whoever typed them typed something else, and the enter at its end is no yes.
#[test]
fn a_question_that_was_typed_over_is_asked_again() {
    let mut state = outage(SMALL, 60);
    press(&mut state, "f");
    assert_eq!(press(&mut state, "R u n enter enter"), [Command::DiscardInput]);
    let dialog = state.dialog().unwrap();
    assert!(dialog.stray && dialog.note.as_ref().unwrap().contains("press R again"), "{:?}", dialog.note);
    assert_eq!(press(&mut state, "R"), []);
    assert!(!state.dialog().unwrap().stray);
    assert_eq!(press(&mut state, "enter"), [Command::StartRun { playbook: "failover".to_owned() }]);
}

#[test]
fn enter_is_not_taken_at_once_nor_out_of_a_burst() {
    let enter = Key::plain(Code::Enter);
    let mut state = outage(SMALL, 60);
    press(&mut state, "f");
    update(&mut state, Event::Key(Key::char('R')));
    update(&mut state, Event::Painted);
    let began = state.fleet.now;
    for millis in [0, 200, 450] {
        update(&mut state, Event::Tick(began + std::time::Duration::from_millis(millis)));
        assert_eq!(update(&mut state, Event::Key(enter)), [], "after {millis} ms");
        assert!(state.dialog().unwrap().note.as_ref().unwrap().contains("too soon"));
    }
    update(&mut state, Event::Tick(began + std::time::Duration::from_millis(500)));
    assert_eq!(update(&mut state, Event::Burst(enter)), []);
    assert!(state.dialog().unwrap().note.as_ref().unwrap().contains("together with other keys"));
    assert!(matches!(&update(&mut state, Event::Key(enter))[..], [Command::StartRun { .. }]));
}

/// Text that was meant for a search, a shell or another window, in each view and each state of a run: nothing that writes
/// comes of it, whether it is typed as quickly as anyone can, or comes in one read.
#[test]
fn typed_text_consents_to_nothing() {
    let stand = |millis: i64| std::time::Duration::from_millis(u64::try_from(millis).unwrap());
    for base in [&PROMOTING, &DECLARED] {
        for view in ["o", "w", "d", "m", "n", "p", "p p", "t", "?", "o enter"] {
            for text in ["/Running", "R", "/R", "train-R-x", "/T", "Rerun", "XAOTRD", ":R", "resume RUN"] {
                for (burst, pause) in [(true, 0), (false, 0), (false, 120)] {
                    let mut state = (*base).clone();
                    press(&mut state, view);
                    let mut keys: Vec<Key> = text.chars().map(Key::char).collect();
                    // Once more: the first may only have closed a list.
                    keys.extend([Key::plain(Code::Enter), Key::plain(Code::Enter)]);
                    for key in keys {
                        let later = state.fleet.now + stand(pause);
                        update(&mut state, Event::Tick(later));
                        let event = if burst { Event::Burst(key) } else { Event::Key(key) };
                        for command in update(&mut state, event) {
                            assert!(!command.writes(), "{view}, {text}: {key} asks for {command:?}");
                        }
                        update(&mut state, Event::Painted);
                    }
                }
            }
        }
    }
}

#[test]
fn a_search_where_nothing_can_be_searched_takes_what_is_typed() {
    for view in ["d", "m", "n", "p", "p p", "?"] {
        let mut state = at_promote(SMALL);
        press(&mut state, view);
        let here = state.trail.here();
        press(&mut state, "/");
        assert_eq!(type_text(&mut state, "RTd:q"), []);
        assert_eq!(state.trail.here(), here);
        assert!(matches!(&state.overlay, Overlay::Filter { field, .. } if field.text() == "RTd:q"), "{view}");
        press(&mut state, "enter");
        assert_eq!((&state.overlay, state.runs.filter.text.as_str()), (&Overlay::None, ""));
    }
}

#[test]
fn what_the_palette_opens_can_be_answered_by_enter() {
    let mut state = at_promote(SMALL);
    type_palette(&mut state, "abort-run");
    type_text(&mut state, "the region is back");
    assert!(matches!(&press(&mut state, "enter")[..], [Command::Abort { .. }]));
    let mut state = at_promote(SMALL);
    assert_eq!(type_palette(&mut state, "q"), []);
    assert!(state.notice.as_ref().unwrap().text.contains("press q"), "{:?}", state.notice);
    press(&mut state, "q");
    assert_eq!(press(&mut state, "enter"), [Command::Detach, Command::Quit]);
}

#[test]
fn trouble_stops_the_run_loudly_until_it_is_taken_up_again() {
    let mut state = at_promote(SMALL);
    update(&mut state, Event::Run(RunNews::Trouble("the journal can not be written: disk full".to_owned())));
    assert!(matches!(state.turn(), super::guide::Turn::Stands(_)));
    press(&mut state, "R");
    assert!(matches!(&state.dialog().unwrap().ask, Ask::Resume { .. }));
    assert!(matches!(&press(&mut state, "enter")[..], [Command::ResumeRun { .. }]));
}

#[test]
fn what_a_scenario_announced_is_found_again_in_every_view() {
    let mut state = healthy(WIDE);
    update(&mut state, Event::Scenario("us-central1 goes \u{1b}[31mdown".to_owned()));
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("goes")));
    for view in [View::Database, View::Timeline] {
        state.trail.go(view);
        update(&mut state, Event::Key(Key::plain(Code::Down)));
    }
    let kept = state.timeline.lines.iter().find(|line| line.text.starts_with("scenario: us-central1 goes"));
    let kept = kept.expect("a line on the timeline");
    assert_eq!((kept.side, kept.weight), (None, Weight::Warn));
    assert!(!kept.text.contains('\u{1b}'), "cleaned");
}

#[test]
fn every_key_of_a_hint_does_something() {
    for make in [healthy as fn(Size) -> State, at_promote, ended, tree] {
        let state = make(WIDE);
        for hint in state.hints() {
            let keys: Vec<Key> = super::key::parse_chord(&hint.keys).unwrap();
            let found = state.keymap.lookup(state.mode(), &keys);
            assert!(matches!(found, super::keymap::Lookup::Action(action) if action != Action::Redraw), "{hint:?}");
        }
    }
}

/// A pane that shrank shows no question, so nothing can be agreed to in it.
#[test]
fn a_question_that_has_no_room_takes_no_key() {
    let mut state = at_promote(SMALL);
    press(&mut state, "R");
    assert!(state.dialog().is_some());
    update(&mut state, Event::Resize(Size { columns: 40, rows: 12 }));
    update(&mut state, Event::Painted);
    let commands = press(&mut state, "u s - e a s t 1 enter enter");
    assert!(commands.is_empty(), "{commands:?}");
    // With room again, the field is as empty as it was.
    update(&mut state, Event::Resize(SMALL));
    update(&mut state, Event::Painted);
    assert!(state.dialog().is_some_and(|dialog| dialog.field().is_some_and(|field| field.text().is_empty())));
}

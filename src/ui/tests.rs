//! Snapshots of whole screens, as a terminal would show them.

use super::draw;
use super::glyphs::GlyphSet;
use super::theme::{Level, Theme};
use crate::console::fixtures::*;
use crate::console::layout::Size;
use crate::console::state::{Access, State};
use crate::console::{Event, update};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// The screen as text, lines without trailing blanks.
pub fn screen(state: &State, glyphs: GlyphSet) -> String {
    let level = if glyphs == GlyphSet::Ascii { Level::Mono } else { Level::TrueColour };
    let theme = Theme::built_in(if glyphs == GlyphSet::Ascii { "mono" } else { "default-dark" }).unwrap();
    let mut terminal = Terminal::new(TestBackend::new(state.size.columns, state.size.rows)).unwrap();
    terminal.draw(|frame| draw(frame, state, &theme, level, glyphs)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn name(size: Size) -> String {
    format!("{}x{}", size.columns, size.rows)
}

fn at_each_size(what: &str, make: impl Fn(Size) -> State) {
    for size in [SMALL, WIDE, HUGE] {
        let state = make(size);
        insta::assert_snapshot!(format!("{what}@{}", name(size)), screen(&state, GlyphSet::Unicode));
    }
}

#[test]
fn nothing_known() {
    at_each_size("nothing-known", fresh);
}

#[test]
fn a_pair_that_is_well() {
    at_each_size("healthy", healthy);
}

#[test]
fn forty_seconds_into_an_outage() {
    at_each_size("outage", |size| outage(size, 40));
}

/// The old region is back after a failover: two primaries, then one that is fenced.
#[test]
fn the_old_region_is_back() {
    for (what, fenced) in [("returned", false), ("fenced", true)] {
        for size in [SMALL, WIDE] {
            let mut state = returned(size, fenced);
            let screen_ = screen(&state, GlyphSet::Unicode);
            insta::assert_snapshot!(format!("{what}@{}", name(size)), screen_);
            press(&mut state, "d");
            insta::assert_snapshot!(format!("{what}-database@{}", name(size)), screen(&state, GlyphSet::Unicode));
        }
    }
    let mut state = returned(WIDE, false);
    assert_eq!(state.hints()[0].words, "fence the old primary");
    press(&mut state, "p");
    assert_eq!(state.trail.here(), crate::console::view::View::Playbooks);
    assert_eq!(state.selected_playbook().unwrap().name, "fence");
    assert!(state.fleet.happenings.iter().any(|line| line.text.contains("two databases are out of recovery")));
}

#[test]
fn started_after_the_disaster() {
    for size in [SMALL, WIDE] {
        insta::assert_snapshot!(format!("from-notes@{}", name(size)), screen(&from_notes(size), GlyphSet::Unicode));
    }
    let mut state = from_notes(WIDE);
    press(&mut state, "d");
    insta::assert_snapshot!("from-notes-database", screen(&state, GlyphSet::Unicode));
}

#[test]
fn what_acts_twice_is_said_in_every_view_while_a_run_is_open() {
    for size in [SMALL, WIDE] {
        let mut state = at_promote(size);
        let text = "two databases are out of recovery".to_owned();
        let (id, weight) = ("one-primary".to_owned(), crate::domain::fleet::happening::Weight::Bad);
        state
            .derived
            .alarms
            .insert(0, crate::gates::alarms::Alarm { id, weight, side: None, text, advice: String::new() });
        for key in ["d", "t", "p"] {
            press(&mut state, key);
            let screen = screen(&state, GlyphSet::Unicode);
            let line = screen.lines().find(|line| line.contains("step 8 of 14")).unwrap();
            assert!(line.contains("✖ two databa"), "{key}: {line}");
        }
    }
}

#[test]
fn the_narrowest_wide_and_the_smallest_dense() {
    for size in [Size { columns: 120, rows: 24 }, Size { columns: 60, rows: 15 }] {
        insta::assert_snapshot!(format!("edge@{}", name(size)), screen(&outage(size, 40), GlyphSet::Unicode));
        let mut state = at_promote(size);
        press(&mut state, "R");
        insta::assert_snapshot!(format!("edge-promote@{}", name(size)), screen(&state, GlyphSet::Unicode));
    }
}

#[test]
fn at_the_promotion_with_its_question_open() {
    at_each_size("promote", |size| {
        let mut state = at_promote(size);
        press(&mut state, "R");
        type_text(&mut state, "us-e");
        state
    });
}

#[test]
fn the_end_of_a_run() {
    at_each_size("end", ended);
}

#[test]
fn the_end_of_a_fence() {
    for size in [SMALL, WIDE] {
        let text = screen(&fence_run(size), GlyphSet::Unicode);
        for wrong in ["service", "lost", "caches", "of 15m", "us-central1 →"] {
            assert!(!text.contains(wrong), "{wrong}: {text}");
        }
        insta::assert_snapshot!(format!("end-fence@{}", name(size)), text);
    }
}

/// A word that goes away by itself leaves the keys in sight, and goes with what it was about.
#[test]
fn a_word_stands_above_the_keys() {
    for size in [SMALL, WIDE] {
        let mut state = healthy(size);
        let say = |state: &mut State, text: String| {
            let weight = crate::domain::fleet::happening::Weight::Warn;
            update(state, Event::Notice { weight, text });
        };
        say(&mut state, "word ".repeat(60));
        let text = screen(&state, GlyphSet::Unicode);
        assert!(text.lines().last().unwrap().contains("enter open"), "{text}");
        assert!(text.contains("▲ word word"), "{text}");
        press(&mut state, "w");
        assert_eq!(state.notice, None);
        say(&mut state, "again".to_owned());
        press(&mut state, "f R");
        assert_eq!(state.notice, None);
        say(&mut state, "while it is asked ".repeat(20));
        let text = screen(&state, GlyphSet::Unicode);
        assert!(text.lines().last().unwrap().contains("yes, as written"), "{text}");
        assert!(text.contains("enter yes, as written   esc not now"), "{text}");
    }
}

#[test]
fn before_the_lock_is_taken_a_run_is_only_declared() {
    for size in [SMALL, WIDE] {
        let mut state = outage(size, 60);
        declare(&mut state, 181);
        assert!(screen(&state, GlyphSet::Unicode).lines().next().unwrap().contains("declares"));
        press(&mut state, "o");
        let text = screen(&state, GlyphSet::Unicode);
        assert!(text.contains("run 7f3a21 is open at step 1 of 14 declare"), "{text}");
        press(&mut state, "p p");
        assert!(!state.hints().iter().any(|hint| hint.words == "declare a run"));
    }
}

/// Where one is may be long or short: the states beside it stay in their columns.
#[test]
fn the_states_stand_still_from_view_to_view() {
    let mut state = at_promote(WIDE);
    let at = |state: &State| {
        let screen = screen(state, GlyphSet::Unicode);
        screen.lines().next().unwrap().split_once("us-central1 api").map(|(before, _)| before.chars().count())
    };
    let first = at(&state);
    assert!(first.is_some());
    for keys in ["o", "w", "d", "m", "n", "p", "p", "t", "?"] {
        press(&mut state, keys);
        assert_eq!(at(&state), first, "{keys}");
    }
}

#[test]
fn every_view() {
    for (keys, what) in [
        ("w", "workflows"),
        ("d", "database"),
        ("m", "metrics"),
        ("n", "dns"),
        ("p", "playbooks"),
        ("t", "timeline"),
        ("?", "help"),
        (":", "palette"),
    ] {
        for size in [SMALL, WIDE] {
            let mut state = if what == "timeline" { outage(size, 40) } else { healthy(size) };
            press(&mut state, keys);
            insta::assert_snapshot!(format!("view-{what}@{}", name(size)), screen(&state, GlyphSet::Unicode));
        }
    }
    for size in [SMALL, WIDE] {
        insta::assert_snapshot!(format!("view-tree@{}", name(size)), screen(&tree(size), GlyphSet::Unicode));
    }
}

#[test]
fn without_colour_and_without_signs() {
    for size in [SMALL, WIDE] {
        insta::assert_snapshot!(format!("ascii-healthy@{}", name(size)), screen(&healthy(size), GlyphSet::Ascii));
        insta::assert_snapshot!(format!("ascii-outage@{}", name(size)), screen(&outage(size, 40), GlyphSet::Ascii));
    }
    let text = screen(&outage(HUGE, 40), GlyphSet::Ascii);
    assert!(text.is_ascii(), "{:?}", text.chars().find(|c| !c.is_ascii()));
}

/// Every question, at every size from the smallest on: nothing that decides is cut, what does not fit scrolls and says so,
/// and it can not be answered before all of it was on the screen.
#[test]
fn every_question_is_shown_whole_before_it_is_answered() {
    let small = Size { columns: 60, rows: 15 };
    for size in [small, Size { columns: 80, rows: 23 }, SMALL, Size { columns: 100, rows: 30 }, WIDE] {
        for (what, mut state) in questions(size) {
            let reason = "the data centre says on the phone that its power is off, ticket 4711";
            if what == "override" {
                type_text(&mut state, reason);
            }
            update(&mut state, Event::Painted);
            let question = state.question().unwrap();
            let (mut seen, mut frames) = (String::new(), 0);
            loop {
                let text = screen(&state, GlyphSet::Unicode);
                for row in &question.foot {
                    assert!(text.contains(row.text().trim()), "{what} {}: {:?} in {text}", name(size), row.text());
                }
                seen += &text;
                frames += 1;
                let place = state.question_place();
                assert_eq!(place.is_some(), text.contains("shows more"), "{what}: it says that there is more");
                if place.is_none_or(|place| place.contains("up shows")) {
                    break;
                }
                if what == "consent-by-name" {
                    let commands = press(&mut state, "enter");
                    assert_eq!(commands, [], "not before all of it was seen");
                    assert!(state.dialog().unwrap().note.as_deref().unwrap_or("").contains("shows the rest"));
                    type_text(&mut state, "u");
                }
                press(&mut state, "down");
            }
            for row in &question.rows {
                let texts = row.0.iter().filter_map(|piece| match piece {
                    crate::console::row::Piece::Text(text, _) => Some(text.trim()),
                    _ => None,
                });
                let words: Vec<&str> = texts.flat_map(|text| text.split("  ")).map(str::trim).collect();
                assert!(words.iter().all(|word| seen.contains(word)), "{what} {}: {words:?} in {seen}", name(size));
            }
            assert!(what != "override" || whole(&screen(&state, GlyphSet::Unicode)).contains(&whole(reason)), "{seen}");
            if size == small {
                insta::assert_snapshot!(format!("question-{what}@{}", name(size)), screen(&state, GlyphSet::Unicode));
            } else if size.columns >= 80 && size.rows >= 24 {
                assert_eq!(frames, 1, "{what} {}: at full size nothing scrolls", name(size));
            }
        }
    }
}

/// At 80x24 nothing that a night turns on is cut: what a failover would lose and need, what holds it, what is wrong.
#[test]
fn at_the_least_full_size_no_fact_is_cut() {
    let worlds = [
        ("healthy", healthy(SMALL)),
        ("outage", outage(SMALL, 40)),
        ("notes", from_notes(SMALL)),
        ("promote", at_promote(SMALL)),
        ("returned", returned(SMALL, false)),
    ];
    let mut cut = std::collections::BTreeSet::new();
    for (what, world) in worlds {
        for keys in ["o", "d", "m", "n", "p", "t", "?"] {
            let mut state = world.clone();
            press(&mut state, keys);
            let header = screen(&state, GlyphSet::Ascii).lines().take(2).collect::<String>();
            if header.contains('~') {
                cut.insert(format!("{what} {keys}: {header}"));
            }
            let mut frames = vec![screen(&state, GlyphSet::Unicode)];
            for _ in 0..8 {
                press(&mut state, "pagedown");
                frames.push(screen(&state, GlyphSet::Unicode));
            }
            for frame in frames {
                // A controller's name is known by its end, and stands whole where there is room.
                let lines = frame.lines().filter(|line| line.replace("leader …", "").contains('…'));
                cut.extend(lines.map(|line| format!("{what} {keys}: {line}")));
            }
        }
    }
    assert!(cut.is_empty(), "{cut:#?}");
}

/// Letters and figures alone: what wraps is one text.
fn whole(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn questions(size: Size) -> Vec<(&'static str, State)> {
    let at = |keys: &str, mut state: State| {
        press(&mut state, keys);
        assert!(state.dialog().is_some(), "{keys}");
        state
    };
    let mut held = outage(size, 150);
    declare(&mut held, 271);
    for second in 0..2 {
        live(&mut held, 271 + second * 4, 271 + second * 4, &[crate::domain::region::Side::B]);
        if second > 0 {
            lock_held(&mut held, 272 + second * 4);
        }
        step(&mut held, 273 + second * 4);
    }
    start_unreachable(&mut held, 281);
    let alone = crate::domain::policy::Policy { break_glass: true, ..policy() };
    held.fleet.policy = std::sync::Arc::new(alone);
    let mut watched = at_promote(size);
    if let Some(followed) = &mut watched.run {
        followed.driving = false;
    }
    vec![
        ("declare", at("f R", outage(size, 60))),
        ("consent-by-name", at("R", at_promote(size))),
        ("override", at("O", held)),
        ("abort", at("X", at_promote(size))),
        ("detach", at("D", at_promote(size))),
        ("take-over", at("R", watched)),
        ("quit", at("q", at_promote(size))),
    ]
}

#[test]
fn too_small_says_what_it_has_and_needs() {
    let state = healthy(Size { columns: 40, rows: 10 });
    let text = screen(&state, GlyphSet::Unicode);
    assert!(text.contains("40 x 10") && text.contains("60 x 15"), "{text}");
    // Between that and the full size it works, and says what is missing.
    let text = screen(&healthy(Size { columns: 80, rows: 23 }), GlyphSet::Unicode);
    assert!(text.contains("has 80 x 23, needs 80 x 24 for every fact"), "{text}");
    assert!(!screen(&healthy(SMALL), GlyphSet::Unicode).contains("needs"));
}

#[test]
fn only_the_newest_finished_runs_are_kept_and_the_list_says_so() {
    use crate::domain::freshness::Source;
    use crate::domain::observation::{Change, Fact, Observation};
    use crate::domain::region::Side;
    let many = |state: &mut State| {
        let mut rows = runs();
        let (_, finished) = rows.iter().find(|(_, row)| row.phase.finished()).cloned().unwrap();
        rows.extend((0..300).map(|n| {
            let key = crate::domain::kubernetes::ObjectKey::new("ml", format!("old-{n:03}"));
            (key, crate::domain::workflow::RunRow { created: at(n - 10_000), ..finished.clone() })
        }));
        let fact = Fact::Runs(Change::Reset(rows));
        update(state, Event::Observed(vec![Observation { source: Source::Kubernetes(Side::A), at: at(5), fact }]));
        update(state, Event::Tick(at(7)));
    };
    for size in [SMALL, WIDE] {
        let mut few = policy();
        few.finished_runs = 100;
        let mut state = fresh_with(size, Access::MayWrite, few);
        live(&mut state, 0, 4, &Side::BOTH);
        press(&mut state, "w");
        let before = state.runs.counts.a;
        many(&mut state);
        assert_eq!(state.runs.counts.a.unfinished(), before.unfinished(), "none of these is let go");
        let there = before.total - before.unfinished() + 300;
        let text = screen(&state, GlyphSet::Unicode);
        let words = format!("{} unfinished, newest 95 of {there} finished", before.unfinished());
        assert!(text.contains(&words), "{words}: {text}");
        press(&mut state, "o");
        let text = screen(&state, GlyphSet::Unicode);
        assert!(text.contains("+ fail") || text.contains("failed 2+"), "failed ones may be more: {text}");
        press(&mut state, "/");
        type_text(&mut state, "nothing-is-called-so");
        assert!(
            screen(&state, GlyphSet::Unicode).contains("Older finished runs are not kept"),
            "an empty list says why"
        );
    }
}

#[test]
fn read_only_and_simulated_are_said_on_every_view() {
    let mut simulated = policy();
    simulated.simulated = true;
    for size in [SMALL, WIDE] {
        let mut state = fresh_with(size, Access::ReadOnly, simulated.clone());
        for keys in ["o", "w", "d", "m", "n", "p", "t", "?"] {
            press(&mut state, keys);
            let text = screen(&state, GlyphSet::Unicode);
            let first = text.lines().next().unwrap_or_default();
            assert!(first.contains("READ-ONLY") && first.contains("SIMULATED"), "{first}");
        }
    }
}

#[test]
fn while_a_run_is_driven_every_view_says_so() {
    for size in [SMALL, WIDE] {
        let mut state = at_promote(size);
        for keys in ["o", "w", "d", "m", "n", "p", "t", "?"] {
            press(&mut state, keys);
            let text = screen(&state, GlyphSet::Unicode);
            assert!(text.contains("failover 7f3a21") && text.contains("YOUR TURN"), "{keys}: {text}");
        }
    }
}

/// `cargo test --lib ui::tests::frames -- --ignored --nocapture` prints the screens one after the other.
#[test]
#[ignore = "for looking at"]
fn frames() {
    let mut promote = at_promote(WIDE);
    press(&mut promote, "R");
    for state in
        [fresh(SMALL), healthy(WIDE), healthy(SMALL), outage(WIDE, 40), outage(SMALL, 40), promote, ended(WIDE)]
    {
        println!("{}", screen(&state, GlyphSet::Unicode));
    }
}

#[test]
fn a_resize_is_painted_at_once() {
    let mut state = healthy(WIDE);
    update(&mut state, Event::Resize(SMALL));
    assert!(screen(&state, GlyphSet::Unicode).lines().all(|line| line.chars().count() <= 80));
}

mod random {
    use super::*;
    use crate::console::key::{Code, Key};
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            3 => (32_u8..127).prop_map(|c| Key::char(char::from(c))),
            2 => prop::sample::select(vec!['w', 'd', 'm', 'n', 'p', 't', 'o', '?', ':', '/', 'f', 'R', 'O', 'X', 'G'])
                .prop_map(Key::char),
            2 => prop::sample::select(vec![
                Code::Enter, Code::Esc, Code::Tab, Code::PageDown, Code::PageUp, Code::Down, Code::Up, Code::End,
                Code::Home,
            ]).prop_map(Key::plain),
        ]
    }

    fn sizes() -> impl Strategy<Value = Size> {
        (1_u16..=220, 1_u16..=70).prop_map(|(columns, rows)| Size { columns, rows })
    }

    fn worlds() -> [fn(Size) -> State; 6] {
        [fresh, healthy, |size| outage(size, 40), at_promote, ended, tree]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn no_key_and_no_size_panics(
            world in 0_usize..6,
            steps in prop::collection::vec((prop::collection::vec(key(), 1..6), prop::option::weighted(0.3, sizes())), 1..14),
        ) {
            let mut state = worlds()[world](SMALL);
            for (keys, size) in steps {
                if let Some(size) = size {
                    update(&mut state, Event::Resize(size));
                }
                for key in keys {
                    update(&mut state, Event::Key(key));
                    update(&mut state, Event::Painted);
                }
                let glyphs = if state.size.columns.is_multiple_of(2) { GlyphSet::Unicode } else { GlyphSet::Ascii };
                screen(&state, glyphs);
            }
        }
    }
}

/// A frame of another size than the last event said must not panic either.
#[test]
fn a_frame_smaller_than_the_state_believes() {
    let state = at_promote(WIDE);
    let theme = Theme::built_in("default-dark").unwrap();
    for (columns, rows) in [(1, 1), (60, 15), (80, 24), (139, 40), (140, 12), (300, 90)] {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(frame, &state, &theme, Level::Mono, GlyphSet::Unicode)).unwrap();
    }
}

/// `cargo test --lib ui::tests::at_scale -- --ignored --nocapture` says what a frame costs with 2 x 20,000 runs.
#[test]
#[ignore = "for measuring"]
fn at_scale() {
    use crate::domain::freshness::Source;
    use crate::domain::kubernetes::ObjectKey;
    use crate::domain::observation::{Change, Fact, Observation};
    use crate::domain::region::Side;
    let mut state = healthy(WIDE);
    let row = runs().remove(7).1;
    for side in Side::BOTH {
        let rows = (0..20_000).map(|n| (ObjectKey::new("ml", format!("run-{n:05}")), row.clone())).collect();
        let fact = Fact::Runs(Change::Reset(rows));
        update(&mut state, Event::Observed(vec![Observation { source: Source::Kubernetes(side), at: at(122), fact }]));
    }
    update(&mut state, Event::Tick(at(124)));
    let theme = Theme::built_in("default-dark").unwrap();
    let mut terminal = Terminal::new(TestBackend::new(140, 40)).unwrap();
    let mut spent = [std::time::Duration::ZERO; 4];
    for n in 0..40_i64 {
        let began = std::time::Instant::now();
        press(&mut state, "down");
        spent[0] += began.elapsed();
        let began = std::time::Instant::now();
        terminal.draw(|frame| draw(frame, &state, &theme, Level::TrueColour, GlyphSet::Unicode)).unwrap();
        spent[1] += began.elapsed();
        let fact = Fact::Runs(Change::Apply(ObjectKey::new("ml", format!("run-{n:05}")), row.clone()));
        let change = Observation { source: Source::Kubernetes(Side::A), at: at(124), fact };
        let began = std::time::Instant::now();
        update(&mut state, Event::Observed(vec![change]));
        spent[2] += began.elapsed();
        let began = std::time::Instant::now();
        update(&mut state, Event::Tick(at(125 + n)));
        spent[3] += began.elapsed();
    }
    for (what, spent) in ["key", "frame", "one change", "tick with all derived"].into_iter().zip(spent) {
        println!("{what:<24}{:?}", spent / 40);
    }
}

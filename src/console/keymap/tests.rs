//! Keymaps people write, right and wrong.

use proptest::prelude::*;

use super::*;
use crate::console::key::Code;

fn loaded(text: &str) -> (Keymap, Vec<Problem>) {
    Keymap::load(&[("mine.toml", text)]).unwrap_or_else(|problems| panic!("{}", said(&problems)))
}

fn refused(text: &str) -> Vec<Problem> {
    match Keymap::load(&[("mine.toml", text)]) {
        Ok((_, problems)) => panic!("accepted with {}", said(&problems)),
        Err(problems) => problems,
    }
}

fn said(problems: &[Problem]) -> String {
    problems.iter().map(Problem::headline).collect::<Vec<_>>().join("\n")
}

fn mine(lines: &str) -> String {
    format!("schema = 1\n{lines}\n")
}

#[test]
fn every_preset_is_clean_and_reads_back_from_its_print() {
    for (name, _) in PRESETS {
        let (map, problems) = loaded(&mine(&format!("extends = \"{name}\"")));
        assert_eq!(said(&problems), "", "{name}");
        assert_eq!(map.clashes(), [], "{name}");
        let (again, problems) = loaded(&map.print());
        assert_eq!(said(&problems), "", "{name}");
        for mode in Mode::ALL {
            let flat = |map: &Keymap| -> Vec<_> { map.bindings(mode).map(|(k, b)| (k.clone(), b.action)).collect() };
            assert_eq!(flat(&map), flat(&again), "{name} {mode}");
        }
    }
}

#[test]
fn the_built_in_maps_need_no_alt_and_reach_every_action() {
    for (name, _) in PRESETS {
        let (map, _) = loaded(&mine(&format!("extends = \"{name}\"")));
        for mode in Mode::ALL {
            assert!(map.bindings(mode).all(|(keys, _)| keys.iter().all(|key| !key.alt)), "{name} {mode}");
        }
        for action in Action::ALL {
            let bound = Mode::ALL.iter().any(|mode| !map.keys_for(*mode, *action).is_empty());
            let dropped = name == "k9s" && *action == Action::HalfPageDown;
            assert!(bound || dropped, "{name} has no key for {action}");
        }
    }
}

#[test]
fn the_keys_of_the_screens() {
    let (map, _) = Keymap::load(&[]).unwrap();
    let table = [
        ("enter", Action::Open),
        ("/", Action::Filter),
        (":", Action::Palette),
        ("f", Action::StartFailover),
        ("p", Action::ViewPlaybooks),
        ("d", Action::ViewDatabase),
        ("t", Action::ViewTimeline),
        ("?", Action::Help),
        ("esc", Action::Back),
        ("w", Action::ViewWorkflows),
        ("m", Action::ViewMetrics),
        ("n", Action::ViewDns),
        ("q", Action::Quit),
        ("g g", Action::Top),
    ];
    for mode in [Mode::Global, Mode::Table, Mode::Detail, Mode::Playbook] {
        for (keys, action) in table {
            let keys = crate::console::key::parse_chord(keys).unwrap();
            assert_eq!(map.lookup(mode, &keys), Lookup::Action(action), "{mode}");
        }
        assert_eq!(map.lookup(mode, &[Key::char('g')]), Lookup::Pending);
        assert_eq!(map.lookup(mode, &[Key::char('g'), Key::char('x')]), Lookup::None);
        assert_eq!(map.lookup(mode, &[]), Lookup::None);
    }
    assert_eq!(map.keys_for(Mode::Table, Action::Up), ["k", "up"]);
    assert_eq!(map.keys_for(Mode::Table, Action::Top), ["home", "g g"]);
}

#[test]
fn no_letter_is_a_command_in_a_question_or_a_field() {
    for (name, _) in PRESETS {
        let (map, _) = loaded(&mine(&format!("extends = \"{name}\"")));
        for mode in [Mode::Confirm, Mode::Text] {
            for c in (' '..='~').chain(['é', '東']) {
                assert_eq!(map.lookup(mode, &[Key::char(c)]), Lookup::None, "{name} {mode} {c}");
            }
        }
    }
}

#[test]
fn a_file_replaces_what_it_names_and_leaves_the_rest() {
    let (map, problems) =
        loaded(&mine("[table]\nx = \"copy-name\"\nc = \"<disabled>\"\nd = \"open\"\n[global]\nq = \"<disabled>\""));
    assert_eq!(said(&problems), "");
    let at = |mode, c| map.lookup(mode, &[Key::char(c)]);
    assert_eq!(at(Mode::Table, 'x'), Lookup::Action(Action::CopyName));
    assert_eq!(at(Mode::Table, 'c'), Lookup::None);
    assert_eq!(at(Mode::Detail, 'c'), Lookup::Action(Action::CopyName));
    assert_eq!(at(Mode::Table, 'd'), Lookup::Action(Action::Open));
    assert_eq!(at(Mode::Detail, 'd'), Lookup::Action(Action::ViewDatabase));
    assert_eq!(at(Mode::Table, 'q'), Lookup::None);
    let layers = [("etc.toml", &*mine("[table]\nx = \"open\"")), ("mine.toml", &*mine("[table]\nx = \"back\""))];
    let (map, problems) = Keymap::load(&layers).unwrap();
    assert_eq!(said(&problems), "");
    assert_eq!(map.lookup(Mode::Table, &[Key::char('x')]), Lookup::Action(Action::Back));
    let (map, _) = loaded(&mine("extends = \"k9s\""));
    assert_eq!(map.lookup(Mode::Table, &[Key::char('g')]), Lookup::Action(Action::Top));
}

#[test]
fn disabling_a_key_in_one_mode_leaves_longer_chords_there() {
    let (map, problems) =
        loaded(&mine("[global]\n\"z\" = \"help\"\n[table]\n\"g\" = \"<disabled>\"\n\"z\" = \"<disabled>\""));
    assert_eq!(said(&problems), "");
    assert_eq!(map.lookup(Mode::Table, &[Key::char('z')]), Lookup::None);
    assert_eq!(map.lookup(Mode::Detail, &[Key::char('z')]), Lookup::Action(Action::Help));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_left_out() {
    let table = [
        ("[table]\nx = \"copy-nmae\"", "mine.toml:3:5: no action \"copy-nmae\"; did you mean \"copy-name\"?"),
        ("[table]\nentr = \"open\"", "mine.toml:3:1: \"entr\": no key; did you mean \"enter\"?"),
        (
            "[table]\n\"<shift+a>\" = \"open\"",
            "mine.toml:3:1: \"<shift+a>\": a terminal sends shift and a character as the character itself; write \"A\"",
        ),
        ("[table]\nctrl-A = \"open\"", "write \"ctrl-a\""),
        ("[table]\ngg = \"open\"", "the keys of a chord are set apart: \"g g\""),
        ("[table]\nx = \"run-step\"\ny=\"sort-nxt\"", "run-step has no meaning in [table]; it has one in [playbook]"),
        ("[table]\nx = \"delete-word\"", "delete-word has no meaning in [table]; it has one in [text]"),
        ("[table]\nalt-x = \"open\"", "on a slow line they may be read apart"),
    ];
    for (lines, wanted) in table {
        let (Ok((_, problems)) | Err(problems)) = Keymap::load(&[("mine.toml", &mine(lines))]);
        assert!(said(&problems).contains(wanted), "{lines}: {}", said(&problems));
    }
    let (map, _) = loaded(&mine("[global]\nq = \"quti\""));
    assert_eq!(map.lookup(Mode::Table, &[Key::char('q')]), Lookup::Action(Action::Quit), "what lay below stays");
}

#[test]
fn a_text_that_can_not_be_read_stops_the_start() {
    let table = [
        ("[tabel]\nx = \"open\"", "unknown key \"tabel\" in the top level; did you mean \"table\"?"),
        ("extends = \"vmi\"", "no keymap \"vmi\" to extend; there are default, vim, k9s, none; did you mean \"vim\"?"),
        ("[table]\nx = 5", "\"x\" in [table] must be a string, not the integer 5"),
        ("[table]\nx =", "not valid TOML"),
    ];
    for (lines, wanted) in table {
        assert!(said(&refused(&mine(lines))).contains(wanted), "{lines}: {}", said(&refused(&mine(lines))));
    }
    assert!(said(&refused("schema = 2\n")).contains("schema 2 is not known here"));
    assert!(said(&refused("")).contains("missing key \"schema\""));
}

#[test]
fn of_two_files_the_higher_wins_and_says_so() {
    let (map, problems) = loaded(&mine("[global]\ng = \"bottom\""));
    assert_eq!(map.lookup(Mode::Table, &[Key::char('g')]), Lookup::Action(Action::Bottom));
    let wanted = "mine.toml:3:1: clash on \"g\" in [global]: bottom on \"g\" (mine.toml) and top on \"g g\" (default); the first is taken";
    assert_eq!(said(&problems), wanted);
    let wanted = "KEY  MODE    ONE                      OTHER\n\
                  g    global  bottom on g (mine.toml)  top on g g (default)\n";
    assert_eq!(clash_table(map.clashes()), wanted);
}

#[test]
fn within_one_file_nothing_is_guessed() {
    let (map, problems) = loaded(&mine(
        "[table]\n\"ctrl-x\" = \"copy-name\"\n\"<ctrl-x>\" = \"open\"\n\"c\" = \"open\"\n\"c c\" = \"help\"",
    ));
    assert_eq!(map.lookup(Mode::Table, &[Key::ctrl('x')]), Lookup::None);
    assert_eq!(map.lookup(Mode::Table, &[Key::char('c')]), Lookup::Action(Action::CopyName), "the default stays");
    assert_eq!(problems.len(), 2, "{}", said(&problems));
    let grave = refused(&mine("[playbook]\n\"x\" = \"abort-run\"\n\"x x\" = \"retry\""));
    assert!(
        said(&grave).contains("clash on \"x\" in [playbook]: retry on \"x x\" (mine.toml) and abort-run on \"x\""),
        "{}",
        said(&grave)
    );
    let unreadable = refused(&mine("[playbook]\nshift-x = \"abort-run\""));
    assert!(said(&unreadable).contains("write \"X\""), "{}", said(&unreadable));
}

#[test]
fn a_global_key_hidden_by_a_section_is_told() {
    let (_, problems) = loaded(&mine("[global]\ns = \"help\""));
    let wanted = "clash on \"s\" in [table]: help on \"s\" (mine.toml) and sort-next on \"s\" (default); here the second is taken";
    assert!(said(&problems).contains(wanted), "{}", said(&problems));
}

#[test]
fn yes_is_never_one_letter_nor_the_key_that_asked() {
    let table = [
        (
            "[confirm]\ny = \"confirm\"",
            "mine.toml:3:1: \"y\" can't be confirm: a single printable key would say yes by a slip",
        ),
        ("[confirm]\nspace = \"confirm\"", "\"space\" can't be confirm"),
        ("[confirm]\nesc = \"confirm\"", "\"esc\" can't be confirm: it is the key by which people say no"),
        ("[playbook]\nenter = \"run-step\"", "\"enter\" can't begin confirm: it is run-step too (mine.toml)"),
        ("[playbook]\n\"x enter\" = \"retry\"", "\"enter\" can't begin confirm: it is retry too (mine.toml)"),
        ("[confirm]\n\"R R\" = \"confirm\"", "\"R\" can't begin confirm: it is run-step too (default)"),
        ("[text]\nx = \"cancel\"", "\"x\" is typed into the field"),
        ("[text]\n\"x ctrl-a\" = \"cancel\"", "\"x ctrl-a\" is typed into the field"),
        ("[confirm]\nesc = \"<disabled>\"", "[confirm] has no key for cancel"),
        ("[confirm]\nenter = \"<disabled>\"", "[confirm] has no key for confirm"),
        ("[global]\nq = \"<disabled>\"\nctrl-c = \"<disabled>\"", "[global] has no key for quit or interrupt"),
        ("extends = \"none\"\n[global]\nx = \"open\"", "[text] has no key for cancel"),
    ];
    for (lines, wanted) in table {
        let problems = refused(&mine(lines));
        assert!(said(&problems).contains(wanted), "{lines}: {}", said(&problems));
    }
    let (map, _) = loaded(&mine(
        "[confirm]\nctrl-y = \"confirm\"\nenter = \"<disabled>\"\n[playbook]\nenter = \"run-step\"\n[text]\nenter = \"<disabled>\"\nctrl-y = \"confirm\"",
    ));
    assert_eq!(map.keys_for(Mode::Confirm, Action::Confirm), ["ctrl-y"]);
    assert_eq!(map.keys_for(Mode::Playbook, Action::RunStep), ["R", "enter"]);
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9:/?]",
        Just("enter".to_owned()),
        Just("esc".to_owned()),
        Just("tab".to_owned()),
        "ctrl-[a-gj-ln-z]",
        "[a-c] [a-c]",
        "[a-c] [a-c] [a-c]",
    ]
}

proptest! {
    /// Whatever a person writes: if the map is taken, the rules hold in it, and no chord hides a longer one.
    #[test]
    fn what_is_taken_keeps_the_rules(lines in prop::collection::vec((0usize..6, any_key(), 0usize..Action::ALL.len() + 1), 0..25)) {
        let mut text = String::from("schema = 1\n");
        for (index, mode) in Mode::ALL.iter().enumerate() {
            text.push_str(&format!("{mode}\n"));
            let mut seen = std::collections::BTreeSet::new();
            for (_, key, action) in lines.iter().filter(|(m, key, _)| *m == index && seen.insert(key.clone())) {
                let name = Action::ALL.get(*action).map_or("<disabled>", |action| action.name());
                text.push_str(&format!("\"{key}\" = \"{name}\"\n"));
            }
        }
        let Ok((map, _)) = Keymap::load(&[("mine.toml", &text)]) else { return Ok(()) };
        for mode in Mode::ALL {
            let chords: Vec<_> = map.bindings(mode).map(|(keys, _)| keys.clone()).collect();
            for (keys, binding) in map.bindings(mode) {
                prop_assert!(binding.action.is_some_and(|action| action.fits(mode)));
                prop_assert_eq!(Some(map.lookup(mode, keys)), binding.action.map(Lookup::Action));
                prop_assert!(!chords.iter().any(|other| other != keys && other.starts_with(keys)), "{:?} {:?}", keys, mode);
            }
        }
        for mode in [Mode::Confirm, Mode::Text] {
            for yes in map.bindings(mode).filter(|(_, b)| b.action == Some(Action::Confirm)).map(|(keys, _)| keys) {
                prop_assert!(yes.len() > 1 || !yes[0].is_printable());
                for trigger in map.bindings(Mode::Playbook).filter(|(_, b)| b.action == Some(Action::RunStep)).map(|(keys, _)| keys) {
                    prop_assert_ne!(trigger.last(), yes.first());
                }
            }
        }
        prop_assert_ne!(map.lookup(Mode::Confirm, &[Key::plain(Code::Esc)]), Lookup::Action(Action::Confirm), "no map says yes by escape");
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,200}", keys in "\\PC{0,12}", action in "\\PC{0,12}") {
        let _ = Keymap::load(&[("a", &text), ("b", &format!("schema = 1\n[table]\n{} = {}", toml::Value::from(keys), toml::Value::from(action)))]);
    }
}

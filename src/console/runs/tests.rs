//! The list in order, held against one that is sorted whole.

use super::*;
use crate::console::fixtures::*;
use crate::console::state::State;
use crate::console::{Event, update};
use crate::domain::freshness::Source;
use crate::domain::observation::{Change, Fact, Observation};
use proptest::prelude::*;

fn tell(state: &mut State, side: Side, second: i64, change: Change<ObjectKey, RunRow>) {
    let observation = Observation { source: Source::Kubernetes(side), at: at(second), fact: Fact::Runs(change) };
    update(state, Event::Observed(vec![observation]));
}

/// Each number makes a run: many are alike in all but their names.
fn run(n: u32) -> (ObjectKey, RunRow) {
    let (key, mut row) = runs().remove(0);
    let phases = [Phase::Running, Phase::Succeeded, Phase::Failed, Phase::Pending, Phase::Error];
    row.phase = phases[(n / 3 % 5) as usize];
    row.created = at(i64::from(n / 7 % 40));
    row.detail = None;
    let namespace = if n.is_multiple_of(2) { key.namespace } else { "serving".to_owned() };
    (ObjectKey::new(namespace, format!("a-name-that-is-long-{:03}", n.wrapping_mul(577) % 3000)), row)
}

/// As plainly as it can be said.
fn sorted_whole(state: &State) -> Vec<RowKey> {
    let Runs { sort, reverse, ref filter, .. } = state.runs;
    let mut all: Vec<(Side, ObjectKey, RunRow)> = Vec::new();
    for side in Side::BOTH {
        let region = state.fleet.region(side);
        let rows = region.runs.rows().iter();
        let rows = rows.filter(|(key, row)| filter.passes(&Subject { region: &region.name, key, row }));
        all.extend(rows.map(|(key, row)| (side, key.clone(), row.clone())));
    }
    all.sort_by(|a, b| {
        let turn = |order: Ordering| if reverse { order.reverse() } else { order };
        let finished = a.2.phase.finished().cmp(&b.2.phase.finished());
        let newest = b.2.created.cmp(&a.2.created);
        let first = match sort {
            Sort::Age => finished.then(turn(newest)),
            Sort::Name => turn(a.1.name.cmp(&b.1.name)),
            Sort::Status => turn(rank(a.2.phase).cmp(&rank(b.2.phase))).then(newest),
            Sort::Region => turn(a.0.cmp(&b.0)).then(finished).then(newest),
        };
        first.then_with(|| (a.0, &a.1).cmp(&(b.0, &b.1)))
    });
    all.into_iter().map(|(side, key, _)| (side, key)).collect()
}

fn is_right(state: &State) -> Result<(), TestCaseError> {
    let whole = sorted_whole(state);
    let list = &state.runs;
    prop_assert_eq!(list.matching, whole.len());
    prop_assert!(list.entries.len() <= WINDOW);
    prop_assert_eq!(&list.entries[..], &whole[list.first..list.first + list.entries.len()]);
    let rows = state.run_rows();
    prop_assert_eq!(list.selected.as_ref(), whole.get(list.cursor), "the selected row is where it stands");
    let end = (list.offset + rows).min(whole.len());
    prop_assert_eq!(list.in_sight(rows), &whole[list.offset..end], "what is in sight is whole");
    let seen = list.cursor >= list.offset && list.cursor < list.offset + rows;
    prop_assert!(seen, "the selected row is in sight");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_sight_is_what_a_whole_sort_would_show(
        keys in prop::collection::vec(
            prop::sample::select(vec![
                "s", "S", "G", "g", "pagedown", "pageup", "down", "up", "ctrl-d", "/ 1 enter", "/ f a enter", "esc w",
            ]),
            1..25,
        ),
        size in prop::sample::select(vec![SMALL, HUGE]),
    ) {
        let mut state = healthy(size);
        press(&mut state, "w");
        for side in Side::BOTH {
            let start = if side == Side::A { 0 } else { 1_500 };
            tell(&mut state, side, 122, Change::Reset((start..start + 2_500).map(run).collect()));
        }
        for (second, key) in (0_i64..).zip(keys) {
            let selected = state.runs.selected.clone();
            press(&mut state, "s s s s");
            prop_assert!(!state.runs.moved || state.runs.selected == selected, "it stays selected wherever it goes");
            press(&mut state, key);
            is_right(&state)?;
            let (key, _) = run(u32::try_from(second).unwrap() * 37);
            tell(&mut state, Side::A, 123 + second, Change::Delete(key));
            update(&mut state, Event::Tick(at(124 + second)));
            is_right(&state)?;
        }
    }
}

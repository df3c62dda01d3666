use std::fs;
use std::path::Path;

use super::*;

fn busy(trial: u64, at: f64, to: u64) -> Option<Running> {
    Some(Running {
        trial: TrialId(trial),
        at,
        to,
        ahead: false,
        speed: Some(38.14),
    })
}

fn rung(resource: u64, reached: u64, promoted: u64, planned: u64) -> RungProgress {
    RungProgress {
        resource,
        reached,
        promoted,
        planned: Some(planned),
    }
}

fn whole() -> Frame {
    let mut ahead = busy(13, 1.2, 3).unwrap();
    ahead.ahead = true;
    Frame {
        study: "minilm-wordnet".into(),
        share: 0.437,
        gone_ms: 754_321,
        left_ms: Some(972_000),
        decided: [14, 39],
        brackets: [1, 1, 3],
        rungs: vec![rung(1, 27, 9, 27), rung(3, 14, 1, 17), rung(9, 1, 0, 9)],
        trained: [Some(63), Some(144)],
        best: Some(Best {
            trial: TrialId(7),
            metric: "ndcg@10".into(),
            value: 0.66361,
            at: 4,
            untrained: Some(0.59141),
            curve: vec![0.61, 0.64, 0.655, 0.6636, 0.662, 0.66],
        }),
        saved: Some([126, 76]),
        speed: 76.3,
        gauges: Gauges {
            study: Some(1_288_490_188),
            free: Some(42_949_672_960),
            resident: Some(2_254_857_830),
            available: Some(12_884_901_888),
        },
        slots: vec![busy(12, 3.42, 9), Some(ahead), None],
        ..Frame::default()
    }
}

/// Each size of terminal, each situation.
fn pages() -> String {
    let young = Frame {
        study: "a-study-with-a-name-that-is-much-too-long-for-a-line".into(),
        decided: [0, 27],
        trained: [Some(0), None],
        slots: vec![None; 2],
        ..Frame::default()
    };
    let many = Frame {
        slots: (0..64).map(|slot| busy(100 + slot, slot as f64 / 10.0, 9)).collect(),
        notice: Some("stopping".into()),
        confirmed: Some([1, 9]),
        ..whole()
    };
    let steps = Frame {
        unit: Unit::Steps,
        rungs: [100, 300, 900, 2700, 8100, 24300]
            .map(|at| rung(at, 243, 81, 243))
            .into(),
        exporting: true,
        share: 1.0,
        ..whole()
    };
    let frames = [
        ("whole", whole()),
        ("young", young),
        ("64 slots", many),
        ("many rungs", steps),
    ];
    let mut text = String::new();
    for (name, frame) in &frames {
        for columns in [60, 80, 120, 200] {
            text += &format!("--- {name}, {columns} columns\n");
            for line in compose(frame, (columns, 24), false) {
                assert!(line.width() < columns, "{line}");
                text += &format!("{line}\n");
            }
        }
    }
    text
}

/// With `HPO_BLESS` set the page is written anew.
#[test]
fn lines_are_composed_for_the_width() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/progress/pages.txt");
    let pages = pages();
    if std::env::var_os("HPO_BLESS").is_some() {
        fs::write(&path, &pages).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    let other = pages.lines().zip(kept.lines()).find(|(now, before)| now != before);
    assert!(pages == kept, "with HPO_BLESS=1 it is written anew: {other:?}");
}

#[test]
fn whatever_the_size_all_fits() {
    for columns in 1..90 {
        for rows in 1..40 {
            let lines = compose(&whole(), (columns, rows), false);
            assert!(
                !lines.is_empty() && lines.len() <= rows.saturating_sub(ABOVE).max(1),
                "{columns} {rows}"
            );
            assert!(
                lines.iter().all(|line| line.width() < columns.max(2)),
                "{columns} {rows} {lines:?}"
            );
        }
    }
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let plain = compose(&whole(), (100, 24), false).join("\n");
    let coloured = compose(&whole(), (100, 24), true).join("\n");
    let mut terminal = vt100::Parser::new(24.try_into().unwrap(), 100.try_into().unwrap(), 0);
    terminal.process(coloured.replace('\n', "\r\n").as_bytes());
    assert_eq!(terminal.screen().contents().trim_end(), plain);
    assert!(coloured.contains("\x1b[1m"));
}

//! Study files: what is wrong is told where it is, and equal words mean equal draws.

use proptest::prelude::*;
use thalweg::error::{Error, Place};
use thalweg::plan::Plan;
use thalweg::study::schema;

use crate::{plan, source};

/// (the study, line, column, words of the message, words of the hint)
type Wrong = (&'static str, usize, usize, &'static str, &'static str);

const WRONG: [Wrong; 48] = [
    // Names nobody knows.
    (
        "titel = \"a\"",
        1,
        1,
        "unknown field `titel`",
        "did you mean `title`?",
    ),
    (
        "replicates = 10\n[nett]\nhidden = [3]",
        2,
        2,
        "unknown field `nett`",
        "`net`",
    ),
    (
        "[net]\nhiden = [3]",
        2,
        1,
        "unknown field `hiden`",
        "`hidden`",
    ),
    (
        "[net]\nactivation = \"rellu\"",
        2,
        14,
        "unknown variant `rellu`",
        "`relu`",
    ),
    (
        "[descent]\nloss = \"mse\"",
        2,
        8,
        "unknown variant `mse`, expected one of `sum`",
        "`mean`",
    ),
    (
        "[descent]\nrate = { of_limits = 1.0 }",
        2,
        10,
        "unknown field `of_limits`",
        "`of_limit`",
    ),
    (
        "[look]\nobservables = [\"ntk\", \"hesian\"]",
        2,
        23,
        "unknown variant `hesian`",
        "`hessian`",
    ),
    (
        "[keep]\nweights = \"last\"",
        2,
        11,
        "unknown variant `last`, expected one of `best`",
        "",
    ),
    (
        "[descent]\nmethod = { adam = { beta = 0.9 } }",
        2,
        21,
        "available keys: betas, eps",
        "",
    ),
    // Values of another type.
    (
        "[data]\npoints = \"twenty\"",
        2,
        10,
        "invalid type: string \"twenty\"",
        "",
    ),
    (
        "[descent]\nrate = \"fast\"",
        2,
        8,
        "expected a number or { of_limit = number }",
        "",
    ),
    (
        "[descent]\nsteps = 1e5",
        2,
        9,
        "invalid type: floating point `100000.0`",
        "",
    ),
    ("[net]\nbias = \"yes\"", 2, 8, "expected a boolean", ""),
    (
        "[net]\ninit = { normal = {} }",
        2,
        19,
        "missing field `variance`",
        "",
    ),
    ("net = 3", 1, 7, "invalid type: integer `3`", ""),
    ("seed = -1", 1, 8, "invalid value: integer `-1`", ""),
    ("replicates = -4", 1, 14, "expected a whole number", ""),
    (
        "[descent]\nmethod = \"adam\"",
        2,
        10,
        "unit variant",
        "method = { adam = {} }",
    ),
    // Values that make no sense.
    (
        "[descent]\nrate = -0.1",
        2,
        8,
        "the rate -0.1 must be positive",
        "of_limit",
    ),
    (
        "[descent]\nrate = { of_limit = 0.0 }",
        2,
        8,
        "the rate 0 must be positive",
        "0.01",
    ),
    ("[data]\npoints = 0", 2, 10, "0 training points", ""),
    (
        "[net]\nhidden = [4, 4]\ngains = [1.0, 1.0]",
        3,
        9,
        "2 gains for 3 weight layers",
        "one for the output",
    ),
    (
        "[descent]\nlayer_rates = [1.0]",
        2,
        15,
        "1 factors for 3 weight layers",
        "one for the output",
    ),
    ("[success]\nshare = 1.5", 2, 9, "the share 1.5", "0.8"),
    ("[success]\nloss_below = 0", 2, 14, "must be positive", ""),
    ("replicates = 0", 1, 14, "at least one replicate", ""),
    (
        "replicates = { until_decided = { at_most = 9, level = 1.0 } }",
        1,
        55,
        "the level 1",
        "0.95",
    ),
    (
        "[data]\ndim = 2\ninputs = { grid = [-1.0, 1.0] }",
        3,
        10,
        "dimension 1, but data.dim is 2",
        "`dim = 1`",
    ),
    (
        "[data]\npoints = 4\n[descent]\nmethod = { sgd = { batch = 5 } }",
        4,
        10,
        "a batch of 5 from 4 points",
        "between 1",
    ),
    (
        "[descent]\nmethod = { momentum = { beta = 1.0 } }",
        2,
        10,
        "beta = 1 is not in [0, 1)",
        "0.9",
    ),
    (
        "[look]\nat = [\"start\", { every = 0 }]",
        2,
        6,
        "every 0 steps",
        "",
    ),
    (
        "[net]\nhidden = [16, 0]",
        2,
        10,
        "between 1 and 16384 units",
        "",
    ),
    (
        "[net]\ninit = { normal = { variance = nan } }",
        2,
        8,
        "the variance NaN",
        "",
    ),
    (
        "[net]\ninit = { file = \"w\" }\nparameterization = \"ntk\"",
        2,
        8,
        "standard parameterization",
        "\"standard\"",
    ),
    (
        "[data]\ntargets = { polynomial = [] }",
        2,
        11,
        "finite coefficients",
        "",
    ),
    // Comparisons.
    (
        "[[compare]]\nname = \"nothing\"",
        1,
        1,
        "`nothing` compares nothing",
        "net.activation",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"data.dim\" = []",
        3,
        14,
        "`data.dim` has no values",
        "",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"nett.bias\" = [true]",
        3,
        15,
        "`nett.bias` is no key",
        "`net`",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"net..bias\" = [true]",
        3,
        15,
        "`net..bias` is no key",
        "dotted",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"net.activation\" = [\"relu\", \"rellu\"]",
        3,
        29,
        "comparison `a`: unknown variant",
        "`relu`",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"data.points\" = [20, 0]",
        3,
        22,
        "data.points: 0 training points",
        "",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"data.dim\" = [2]\n[[compare]]\nname = \"a\"\n\"data.dim\" = [3]",
        5,
        8,
        "two comparisons are called `a`",
        "own name",
    ),
    (
        "[[compare]]\n\"data.dim\" = [2]",
        1,
        1,
        "missing field `name`",
        "",
    ),
    // What is no TOML.
    ("[data\npoints = 3", 1, 6, "unclosed table", ""),
    ("[data]\npoints = 3\npoints = 4", 3, 1, "duplicate key", ""),
    // Columns are characters, not bytes; a carriage return ends a line with its newline.
    (
        "data = { file = \"größe — Ω.csv\", pionts = 3 }",
        1,
        34,
        "unknown field `pionts`",
        "`points`",
    ),
    (
        "title = \"Größe\"\ndata = { inputs = \"gaußian\" }",
        2,
        19,
        "unknown variant `gaußian`",
        "`gaussian`",
    ),
    (
        "[data]\r\ndim = 2\r\n[net]\r\n bias = 7\r\n",
        4,
        9,
        "expected a boolean",
        "",
    ),
];

fn refused(text: &str) -> (String, Option<String>, Option<Place>) {
    match Plan::new(&source(text)) {
        Err(Error::Study {
            message,
            hint,
            place,
        }) => (message, hint, place.map(|p| *p)),
        other => panic!("{text:?} gives {other:?}"),
    }
}

#[test]
fn a_mistake_is_told_where_it_is_and_what_to_write_instead() {
    for (text, line, column, words, hint_words) in WRONG {
        let (message, hint, place) = refused(text);
        assert!(message.contains(words), "{text:?}: {message}");
        assert!(!message.contains('\n'), "{message:?}");
        let place = place.unwrap_or_else(|| panic!("{text:?} points nowhere"));
        assert_eq!((place.line, place.column), (line, column), "{text:?}");
        assert_eq!(
            Some(place.text.as_str()),
            text.lines().nth(line - 1),
            "{text:?}"
        );
        assert!(
            place.column + place.width <= place.text.chars().count() + 2,
            "{text:?}"
        );
        if hint_words.is_empty() {
            assert_eq!(hint, None, "{text:?}");
        } else {
            assert!(
                hint.clone().is_some_and(|h| h.contains(hint_words)),
                "{text:?}: {hint:?}"
            );
        }
        let shown = Error::Study {
            message,
            hint,
            place: Some(Box::new(place)),
        }
        .to_string();
        assert!(
            shown.contains(&format!("test.toml:{line}:{column}")),
            "{shown}"
        );
    }
}

/// Defaults are a study: nobody has to say anything.
#[test]
fn an_empty_file_is_a_study() {
    for text in ["", "\n\n", "# nothing\n", "\u{feff}title = \"a\""] {
        let plan = plan(text);
        assert_eq!(
            (plan.cells.len(), plan.cells[0].label.as_str()),
            (1, ""),
            "{text:?}"
        );
    }
    assert_eq!(plan("").cells[0].hash, plan("# nothing\n").cells[0].hash);
}

#[test]
fn a_file_that_is_no_text_is_refused_in_one_sentence() {
    let (message, _, place) = refused(&"\0".repeat(4096));
    assert!(!message.is_empty() && place.is_some_and(|p| p.line == 1));
}

/// Whatever recursion there is, it ends before the stack does.
#[test]
fn nesting_without_end_is_refused() {
    let deep = 50_000;
    for text in [
        format!("title = {}", "[".repeat(deep)),
        format!("[data]\ninputs = {}", "{ grid = ".repeat(deep)),
        format!("title = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}a = 1", "data.".repeat(deep)),
        format!("[{}a]", "data.".repeat(deep)),
        format!(
            "[[compare]]\nname = \"a\"\n\"data{}\" = [1]",
            ".a".repeat(deep)
        ),
    ] {
        let (message, _, _) = refused(&text);
        assert!(message.len() < 10 * deep, "{}", &message[..200]);
    }
}

/// 70 keys of two values are 2^70 cells, more than a machine word counts.
#[test]
fn a_comparison_beyond_counting_is_refused() {
    let keys: String = (0..70)
        .map(|i| format!("\"data.dim{i}\" = [1, 2]\n"))
        .collect();
    let (message, hint, place) = refused(&format!("[[compare]]\nname = \"many\"\n{keys}"));
    assert!(
        message.contains("more than 1e5") && hint.is_some(),
        "{message}"
    );
    assert_eq!(place.map(|p| p.line), Some(1));
}

const VALID: &str = "title = \"Größe\"\nseed = 7\nreplicates = { until_decided = { at_most = 99 } }\n\
    [data]\npoints = 5\ndim = 1\ninputs = { grid = [-1.0, 1.0] }\ntargets = { polynomial = [1.0, -2.5] }\n\
    [net]\nhidden = [4, 3]\nactivation = \"tanh\"\ninit = { normal = { variance = 2.0 } }\n\
    bias_init = { normal = { std = 0.5 } }\ngains = [5.0, 1.0, 1.0]\n\
    [descent]\nmethod = { adam = { betas = [0.9, 0.99] } }\nrate = { of_limit = 0.5 } # half\nsteps = 100_000\n\
    [look]\nat = [\"start\", { every = 100 }]\n\
    [[compare]]\nname = \"size\"\n\"net.activation\" = [\"relu\", \"gelu\"]\n\"data.points\" = [4, 8]\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text is a plan or an error, never a panic.
    #[test]
    fn no_text_makes_the_plan_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..12),
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len());
            match kind {
                0 => { bytes.remove(at); }
                1 => bytes.insert(at, byte),
                _ => bytes[at] = byte,
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match Plan::new(&source(&text)) {
            Ok(plan) => prop_assert!(!plan.cells.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn the_valid_study_of_these_tests_is_valid() {
    assert_eq!(plan(VALID).cells.len(), 5);
}

#[test]
fn setting_a_key_changes_that_key_and_nothing_else() {
    let mut s = source("# why\nseed = 3 # odd\n[net]\nhidden = [2] # small\n");
    for assignment in [
        "seed=4",
        "net.activation=relu",
        "net.init={ normal = { variance = 2.0 } }",
        "descent.rate.of_limit = 0.5",
        "net.hidden=[5]",
        "title=a b",
    ] {
        s.set(assignment)
            .unwrap_or_else(|e| panic!("{assignment}: {e}"));
    }
    for kept in ["# why\n", "# odd\n", "# small\n", "\nseed = 4 "] {
        assert!(s.text.contains(kept), "{kept:?} is lost from {}", s.text);
    }
    let other = source(
        "title = \"a b\"\nseed = 4\nnet = { hidden = [5], activation = \"relu\", init = { normal = { variance = 2 } } }\n\
                        descent = { rate = { of_limit = 0.5 } }",
    );
    assert_eq!(
        s.study().expect("it is right"),
        other.study().expect("it is right")
    );
    for wrong in ["seed", "", "=3", ".seed=3", "net..bias=true", "net.=1"] {
        let before = s.text.clone();
        assert!(
            matches!(s.set(wrong), Err(Error::Study { hint: Some(_), .. })),
            "{wrong:?}"
        );
        assert_eq!(s.text, before);
    }
    assert!(matches!(
        source("seed = = 3").set("seed=4"),
        Err(Error::Study { place: Some(_), .. })
    ));
}

/// Common random numbers: comparisons are paired only if a replicate is the same draw in each cell.
#[test]
fn replicates_of_different_cells_share_their_draws() {
    let plan = plan(
        "[data]\ndim = 9\n[[compare]]\nname = \"dim\"\n\"data.dim\" = [2, 5]\n\
                     [[compare]]\nname = \"net\"\n\"net.activation\" = [\"relu\"]\n",
    );
    for r in [0, 1, 17] {
        let [base, two, five, relu] = [0, 1, 2, 3].map(|c| plan.cells[c].set(r));
        assert_eq!(
            (&base, plan.cells[0].weights(r)),
            (&relu, plan.cells[3].weights(r))
        );
        for (small, dim) in [(two, 2), (five, 5)] {
            assert_eq!(small.y, base.y);
            for (few, all) in small.x.chunks_exact(dim).zip(base.x.chunks_exact(9)) {
                assert_eq!(few, &all[..dim]);
            }
        }
        assert_ne!(base.y, plan.cells[0].set(r + 1).y);
    }
}

#[test]
fn equal_cells_of_several_comparisons_are_one_cell() {
    let plan = plan(
        "[[compare]]\nname = \"dim\"\n\"data.dim\" = [15, 5]\n\
                     [[compare]]\nname = \"net\"\n\"net.activation\" = [\"tanh\", \"relu\"]\n",
    );
    assert_eq!(plan.cells.len(), 3);
    let members = |i: usize| {
        plan.comparisons[i]
            .members
            .iter()
            .map(|m| m.cell)
            .collect::<Vec<_>>()
    };
    assert_eq!((members(0), members(1)), (vec![0, 1], vec![0, 2]));
}

#[test]
fn the_hash_of_a_cell_changes_with_every_setting_and_not_with_the_title() {
    let with = |assignment: &str| {
        let mut s = source("");
        s.set(assignment).expect("it is right");
        Plan::new(&s).expect("it is right").cells.remove(0).hash
    };
    let base = plan("").cells.remove(0).hash;
    assert_eq!(base, with("title=another"));
    let mut all = vec![base];
    for change in [
        "seed=1",
        "replicates=2",
        "replicates={ until_decided = { at_most = 400 } }",
        "data.points=21",
        "data.dim=14",
        "data.inputs=sphere",
        "data.targets={ chebyshev = 2 }",
        "data.draw=once",
        "net.hidden=[16]",
        "net.activation=relu",
        "net.bias=false",
        "net.parameterization=ntk",
        "net.init=lecun_normal",
        "net.bias_init=zeros",
        "net.gains=[1.0, 1.0, 2.0]",
        "descent.method={ adam = {} }",
        "descent.loss=mean",
        "descent.rate=0.02",
        "descent.rate={ of_limit = 0.01 }",
        "descent.layer_rates=[1.0, 1.0, 0.5]",
        "descent.steps=7",
        "descent.precision=f64",
        "descent.stop=never",
        "success.loss_below=1e-7",
        "success.share=0.7",
        "look.at=[\"end\"]",
        "look.observables=[\"ntk\"]",
        "look.replicates=7",
        "keep.replicates=4",
        "keep.losses=all",
        "keep.weights=final",
    ] {
        let hash = with(change);
        assert!(!all.contains(&hash), "{change}");
        all.push(hash);
    }
}

#[test]
fn the_schema_defines_every_table_of_a_study() {
    let schema = schema();
    for table in [
        "data",
        "net",
        "descent",
        "success",
        "look",
        "keep",
        "compare",
        "replicates",
        "seed",
        "title",
    ] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
    for table in [
        "Data",
        "Net",
        "Descent",
        "Success",
        "Look",
        "Keep",
        "Compare",
        "Replicates",
        "Rate",
        "Method",
    ] {
        assert!(schema["$defs"][table].is_object(), "{table}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

//! Study files: what is wrong is told where it is, and equal words mean equal draws.

use proptest::prelude::*;
use thalweg::data::Set;
use thalweg::descent::{Descent, Method};
use thalweg::error::{Error, Place};
use thalweg::inputs::{Array, Inputs, Names};
use thalweg::net::Net;
use thalweg::plan::Plan;
use thalweg::study::{Compare, Replicates, Setting, Study, schema};

use crate::{plan, source};

/// (the study, line, column, words of the message, words of the hint)
type Wrong = (&'static str, usize, usize, &'static str, &'static str);

const WRONG: &[Wrong] = &[
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
        "unknown field `beta`, expected `betas` or `eps`",
        "did you mean `betas`?",
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
        "100_000",
    ),
    ("[net]\nbias = \"yes\"", 2, 8, "expected true or false", ""),
    (
        "[net]\ninit = { normal = {} }",
        2,
        19,
        "missing field `variance`",
        "",
    ),
    (
        "net = 3",
        1,
        7,
        "invalid type: integer `3`",
        "a table: `[net]`",
    ),
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
    (
        "[descent]\nmethod = { adam = {} }\nrate = { of_limit = 0.5 }",
        3,
        8,
        "`of_limit` is a share of the method's largest stable rate, and `adam` has none",
        "`rate = 0.001`",
    ),
    (
        "[descent]\nrate = { of_limit = 0.5 }\nbatch = 5",
        2,
        8,
        "and descent on mini-batches has none",
        "`rate = 0.01`",
    ),
    (
        "[net]\nhidden = [4, 4]\ninit = { weight_std = [1.0, 2.0] }",
        3,
        8,
        "2 standard deviations for 3 weight layers",
        "one for the output",
    ),
    (
        "[net]\nhidden = [4]\ninit = { weight_std = [1.0, 0.0] }",
        3,
        8,
        "a standard deviation must be positive",
        "`layer_rates`",
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
    (
        "[descent]\nschedule = { multi_step = { milestones = [9, 5], gamma = 0.5 } }",
        2,
        12,
        "the milestones [9, 5] are not increasing steps from 1 on",
        "milestones = [5000, 10000]",
    ),
    (
        "[descent]\nschedule = { multi_step = { milestones = [], gamma = 0.5 } }",
        2,
        12,
        "not increasing steps",
        "`\"constant\"`",
    ),
    (
        "[descent]\nschedule = { step = { every = 0, gamma = 0.5 } }",
        2,
        12,
        "after every 0 steps",
        "every = 1000",
    ),
    (
        "[descent]\nschedule = { step = { every = 10, gamma = 0.0 } }",
        2,
        12,
        "gamma = 0 must be positive",
        "0.5 halves",
    ),
    (
        "[descent]\nsteps = 1_000_000\nschedule = { step = { every = 1, gamma = 0.9 } }",
        3,
        12,
        "would change 999999 times",
        "more steps at a time",
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
        "why = \" \"",
        1,
        7,
        "`why` says nothing",
        "leave the key out",
    ),
    (
        "author = \"\"",
        1,
        10,
        "`author` says nothing",
        "leave the key out",
    ),
    (
        "[data]\nnearest = { atleast = 0.5 }",
        2,
        13,
        "unknown variant `atleast`",
        "`at_least`",
    ),
    (
        "[data]\nnearest = { at_least = 0.0 }",
        2,
        11,
        "inputs at a distance of at least 0",
        "a number above 0",
    ),
    (
        "[data]\nnearest = { moved_pair = -1.0 }",
        2,
        11,
        "two inputs at a distance of -1",
        "from 0 on",
    ),
    (
        "[data]\npoints = 1\nnearest = { moved_pair = 0.1 }",
        3,
        11,
        "a single point is no pair",
        "points = 2",
    ),
    (
        "[data]\ndim = 2\ninputs = \"circle\"\nnearest = { at_least = 0.1 }",
        4,
        11,
        "not drawn",
        "moved_pair",
    ),
    (
        "[data]\nfile = \"own.csv\"\nnearest = { at_least = 0.1 }",
        3,
        11,
        "inputs of a file are not drawn",
        "moved_pair",
    ),
    (
        "[data]\ndim = 2\ninputs = \"sphere\"\nnearest = { at_least = 1.0 }",
        4,
        11,
        "20 points in dimension 2 with no two nearer than 1: not found",
        "a smaller distance",
    ),
    (
        "[data]\npoints = 1001\nnearest = { at_least = 0.1 }",
        3,
        11,
        "1001 points kept apart: at most 1000",
        "moved_pair",
    ),
    (
        "[data]\npoints = 4\n[descent]\nbatch = 5",
        4,
        9,
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
        "for instance",
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
    // Numbers that ask for more than a machine has, or that the number format cannot hold.
    (
        "[data]\npoints = 100001",
        2,
        10,
        "100001 training points: between 1 and 100000",
        "",
    ),
    (
        "[data]\ntargets = { teacher = { hidden = [1000000000000000000], activation = \"tanh\" } }",
        2,
        11,
        "at most 16384 units",
        "for instance",
    ),
    (
        "[data]\ntargets = { chebyshev = 4294967295 }",
        2,
        11,
        "the degree 4294967295 is above 100000",
        "",
    ),
    (
        "[success]\nloss_below = 1e-46",
        2,
        14,
        "1e-46 is less than single precision can tell from 0",
        "precision = \"f64\"",
    ),
    (
        "[descent]\nbatch = 0",
        2,
        9,
        "a batch of 0 points",
        "between 1",
    ),
    (
        "[data]\npoints = 4\n[descent]\nbatch = 5\ndrop_last = true",
        4,
        9,
        "a batch of 5 from 4 points",
        "between 1",
    ),
    (
        "[net]\ninit = { uniform = [1.0, -1.0] }",
        2,
        8,
        "from 1 to -1 there is no finite interval",
        "the smaller end first",
    ),
    (
        "[net]\nbias_init = { uniform = { std = 0.0 } }",
        2,
        13,
        "the standard deviation 0 must be positive",
        "std = 0.5",
    ),
    (
        "[net]\ninit = { uniform = 0.5 }",
        2,
        20,
        "expected [low, high] or { std = number }",
        "",
    ),
    (
        "[net]\ninit = { uniform = { sdt = 0.5 } }",
        2,
        22,
        "unknown field `sdt`, expected `std`",
        "",
    ),
    (
        "[data]\nnoise = -0.1",
        2,
        9,
        "noise of standard deviation -0.1",
        "leave it out",
    ),
    (
        "[data]\nfile = \"a.csv\"\nnoise = 0.1",
        3,
        9,
        "the targets of a file are as they are",
        "into the file",
    ),
    (
        "[data]\ninputs = \"corners\"\ndim = 3",
        2,
        10,
        "the hypercube of dimension 3 has 8 corners, but data.points is 20",
        "`points = 8`",
    ),
    (
        "[data]\ninputs = \"corners\"\ndim = 70",
        2,
        10,
        "more corners than 100000",
        "hypercube",
    ),
    (
        "[data]\ntargets = \"xor\"",
        2,
        11,
        "the exclusive or is of two inputs, but data.dim is 15",
        "`dim = 2`",
    ),
    (
        "[data]\ntargets = \"two_spirals\"\ndim = 2",
        2,
        11,
        "the two spirals are inputs and targets in one",
        "`inputs = \"two_spirals\"`",
    ),
    (
        "[data]\ninputs = \"two_spirals\"\ndim = 2\npoints = 194",
        2,
        10,
        "the two spirals are inputs and targets in one",
        "`targets = \"two_spirals\"`",
    ),
    (
        "[data]\ninputs = \"two_spirals\"\ntargets = \"two_spirals\"\ndim = 2\npoints = 7",
        2,
        10,
        "7 points are not as many on one spiral",
        "`points = 194`",
    ),
    (
        "[data]\ninputs = \"two_spirals\"\ntargets = \"two_spirals\"",
        2,
        10,
        "inputs on a pair of spirals have dimension 2",
        "`dim = 2`",
    ),
    (
        "[descent]\nweight_decay = -0.1",
        2,
        16,
        "the weight decay -0.1 is negative",
        "leave it out",
    ),
    (
        "[descent]\nweight_decay = 0.1\nrate = { of_limit = 0.5 }",
        3,
        8,
        "and descent with weight decay has none",
        "without `weight_decay`",
    ),
    (
        "[descent]\nclip = { norm = 0.0 }",
        2,
        8,
        "a gradient clipped to 0",
        "`{ norm = 1.0 }`",
    ),
    (
        "[descent]\nclip = 1.0",
        2,
        8,
        "wanted string or table",
        "`{ norm = 1.0 }`",
    ),
    (
        "[descent]\nclip = { value = 0.5 }\nrate = { of_limit = 0.5 }",
        3,
        8,
        "and descent along a clipped gradient has none",
        "without `clip`",
    ),
    (
        "[descent]\nmethod = { adamw = {} }\nrate = { of_limit = 0.5 }",
        3,
        8,
        "and `adamw` has none",
        "`rate = 0.001`",
    ),
    (
        "[descent]\ndrop_last = true",
        2,
        13,
        "no batches of which the last could be left out",
        "`batch = 5`",
    ),
    (
        "[descent]\nmethod = { sgd = { batch = 7 } }",
        2,
        10,
        "mini-batches go with any method",
        "`method = \"sgd\"`, and beside it `batch = 7`",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"descent.method\" = [\"gd\", { sgd = { batch = 7 } }]",
        3,
        27,
        "mini-batches go with any method",
        "beside it `batch = 7`",
    ),
    (
        "[descent]\nsteps = 100\nepochs = 5",
        3,
        10,
        "`steps` and `epochs` both say how long",
        "one of them",
    ),
    (
        "[descent]\nbatch = 1\nepochs = 1000000000000",
        3,
        10,
        "1000000000000 epochs are more than 1e12 steps",
        "",
    ),
    (
        "[[compare]]\nname = \"a\"\n\"descent.steps\" = [1]\n\"descent.epochs\" = [1]",
        1,
        1,
        "varies both `descent.steps` and `descent.epochs`",
        "one of them",
    ),
    (
        "[[claim]]\nwhat = \"success\"\nvalue = 1.0\nbetween = [0.0, 1.0]\nsourc = \"a\"",
        5,
        1,
        "unknown field `sourc`",
        "`source`",
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
        "[[compare]]\nname = \"a\"\n\"data.dim\" = [2]\n[[compare]]\nname = \"a\"\n\
         \"data.dim\" = [3]",
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
        "expected true or false",
        "",
    ),
];

fn refused(text: &str) -> (String, Option<String>, Option<Place>) {
    match source(text).plan(&Inputs::default()) {
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
    for (text, line, column, words, hint_words) in WRONG.iter().copied() {
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
        message.contains("more than 100000") && hint.is_some(),
        "{message}"
    );
    assert_eq!(place.map(|p| p.line), Some(1));
}

/// Every number of these is legal, and the program was killed for want of memory, or hung.
#[test]
fn numbers_that_are_legal_one_by_one_are_refused_together() {
    let list = |n: usize| (0..n).map(|i| format!("{i}.5,")).collect::<String>();
    let pair = |name: &str| {
        format!(
            "[[compare]]\nname = \"{name}\"\n\"descent.rate\" = [{}]\n\
             \"success.loss_below\" = [{}]\n",
            list(250),
            list(250)
        )
    };
    let two = format!("{}{}", pair("a"), pair("b"));
    for (text, line, words) in [
        (
            "data = { points = 100000, dim = 2 }",
            1,
            "kernel of 100000 targets",
        ),
        ("[net]\nhidden = [16384, 16384]", 2, "Hessian with"),
        (
            "[data]\ndim = 2\ntargets = { teacher = { hidden = [1000000000], \
             activation = \"tanh\" } }",
            3,
            "at most 16384 units",
        ),
        (
            "[descent]\nsteps = 1000000000000\n[keep]\nlosses = \"all\"\nreplicates = 4",
            5,
            "that are kept take 32000 GB",
        ),
        (
            "replicates = 1000000\n[look]\nreplicates = 1000000\nat = [\"start\", { every = 1 }]",
            3,
            "what looks leave behind take",
        ),
        (
            two.as_str(),
            5,
            "with those before it 125000, more than 100000",
        ),
    ] {
        let (message, hint, place) = refused(text);
        assert!(message.contains(words) && hint.is_some(), "{message}");
        assert_eq!(place.map(|p| p.line), Some(line), "{message}");
    }
    let deep = format!("[net]\nhidden = [{}]", "2,".repeat(100_000));
    assert!(refused(&deep).0.contains("100000 hidden layers"));
    let space = format!(
        "[space]\n\"descent.rate\" = [{}]\n[space.each]\n\"data.points\" = [{}]",
        list(1000),
        (1..200).map(|i| format!("{i},")).collect::<String>()
    );
    let choices = source(&space).choices(&Inputs::default());
    assert!(
        choices
            .expect_err("too many")
            .to_string()
            .contains("more than 100000 cells")
    );
}

/// A look takes the square of the points, a Hessian the parameters, losses the steps; what is
/// turned off takes nothing.
#[test]
fn memory_follows_from_the_sizes() {
    let of = |text: &str| crate::plan(text).cells[0].memory();
    let data = |points: usize| format!("[data]\npoints = {points}\n");
    let [one, two] = [4000, 8000].map(|n| of(&data(n)).look);
    assert!((two / one - 4.0).abs() < 0.1, "{one} {two}");
    let off = of(&format!("{}[look]\nreplicates = 0\n", data(8000)));
    assert!(off.look < 1e-6 * two && off.kept < 1e6, "{off:?}");
    // A share of the limit needs a kernel all the same.
    let limit = "[descent]\nrate = { of_limit = 0.5 }\n";
    let needed = of(&format!("{}[look]\nreplicates = 0\n{limit}", data(8000)));
    assert!(needed.look > 8.0 * 8000f64.powi(2), "{needed:?}");
    let losses = |steps: u64| {
        of(&format!(
            "replicates = 9\n[descent]\nsteps = {steps}\n[keep]\nreplicates = 3\nlosses = \"all\""
        ))
    };
    let more = losses(2_000_000).kept - losses(1_000_000).kept;
    assert!((more / (3.0 * 8.0 * 1e6) - 1.0).abs() < 1e-3, "{more}");
}

/// A message of 800 kB for a list of 200 000 numbers.
#[test]
fn of_a_long_line_only_the_place_is_shown() {
    let many = "2, ".repeat(400);
    let long = format!("[net]\nhidden = [{many}\"x\", {many}2]");
    let error = source(&long)
        .plan(&Inputs::default())
        .expect_err("no number");
    let shown = error.to_string();
    assert!(shown.len() < 1000, "{shown}");
    let [text, caret] = [shown.lines().nth_back(1), shown.lines().next_back()];
    let (text, caret) = (text.unwrap_or_default(), caret.unwrap_or_default());
    assert!(text.contains("| …") && text.ends_with('…'), "{text}");
    let column = caret.chars().position(|c| c == '^').expect("a caret");
    assert!(text.chars().nth(column) == Some('"'), "{shown}");
}

const VALID: &str = "title = \"Größe\"\nseed = 7\n\
    replicates = { until_decided = { at_most = 99 } }\n\
    [data]\npoints = 5\ndim = 1\ninputs = { grid = [-1.0, 1.0] }\n\
    targets = { polynomial = [1.0, -2.5] }\n\
    [net]\nhidden = [4, 3]\nactivation = \"tanh\"\ninit = { normal = { variance = 2.0 } }\n\
    bias_init = { normal = { std = 0.5 } }\ngains = [5.0, 1.0, 1.0]\n\
    [descent]\nmethod = { nesterov = { beta = 0.8 } }\nrate = { of_limit = 0.5 } # half\n\
    steps = 100_000\n\
    [look]\nat = [\"start\", { every = 100 }]\n\
    [[compare]]\nname = \"size\"\n\"net.activation\" = [\"relu\", \"gelu\"]\n\
    \"data.points\" = [4, 8]\n";

/// `of_limit` beside momentum means another rate than it did, so its records are others; all other
/// records are still taken.
#[test]
fn only_records_of_momentum_with_a_share_of_the_limit_are_made_anew() {
    let hash = |rate: &str, method: &str| {
        let text =
            format!("replicates = 1\n[descent]\nsteps = 10\nrate = {rate}\nmethod = {method}\n");
        plan(&text).cells[0].hash.clone()
    };
    let share = "{ of_limit = 0.5 }";
    let momentum = "{ momentum = { beta = 0.9 } }";
    let nesterov = "{ nesterov = { beta = 0.9 } }";
    // As they were when the share was of plain descent's limit.
    assert_eq!(hash(share, "\"gd\""), "83d0c644f8816101");
    assert_eq!(hash("0.01", momentum), "b0e1fd0945a8a53f");
    assert_ne!(hash(share, momentum), "20d20cf67df0b124");
    assert_ne!(hash(share, nesterov), "34d9cced9c4d9801");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

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
        match source(&text).plan(&Inputs::default()) {
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
        "title = \"a b\"\nseed = 4\n\
                        net = { hidden = [5], activation = \"relu\", \
                        init = { normal = { variance = 2 } } }\n\
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
        s.plan(&Inputs::default())
            .expect("it is right")
            .cells
            .remove(0)
            .hash
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
        "data.targets={ sine = 2 }",
        "data.targets=abs",
        "data.targets=parity",
        "data.inputs=hypercube",
        "data.noise=0.1",
        "data.draw=once",
        "net.hidden=[16]",
        "net.activation=relu",
        "net.bias=false",
        "net.parameterization=ntk",
        "net.init=lecun_normal",
        "net.bias_init=zeros",
        "net.init={ uniform = [-1.0, 1.0] }",
        "net.init={ uniform = { std = 0.5 } }",
        "net.bias_init={ uniform = [-1.0, 1.0] }",
        "net.gains=[1.0, 1.0, 2.0]",
        "descent.method={ adam = {} }",
        "descent.batch=3",
        "descent.batch=6",
        "descent.epochs=8",
        "descent.weight_decay=0.1",
        "descent.method={ adamw = {} }",
        "descent.clip={ norm = 1.0 }",
        "descent.clip={ value = 1.0 }",
        "descent.loss=mean",
        "descent.rate=0.02",
        "descent.rate={ of_limit = 0.01 }",
        "descent.schedule={ multi_step = { milestones = [5], gamma = 0.5 } }",
        "descent.schedule={ step = { every = 5, gamma = 0.5 } }",
        "descent.layer_rates=[1.0, 1.0, 0.5]",
        "descent.steps=7",
        "descent.precision=f64",
        "descent.stop=never",
        "success.loss_below=1e-7",
        "success.share=0.7",
        "look.at=[\"end\"]",
        "look.observables=[\"ntk\"]",
        "look.replicates=7",
        "look.follow=3",
        "keep.replicates=4",
        "keep.losses=all",
        "keep.weights=final",
    ] {
        let hash = with(change);
        assert!(!all.contains(&hash), "{change}");
        all.push(hash);
    }
}

/// A study is a value: written as a file and read again it is the same one.
#[test]
fn a_study_that_is_written_is_read_back() {
    for text in ["", VALID] {
        let study = source(text).study().expect("it is right");
        let written = toml::to_string(&study).expect("it can be written");
        let again = source(&written).study().expect(&written);
        assert_eq!(study, again, "{written}");
    }
}

/// A study is a value, and a file is one way to write it.
#[test]
fn a_study_as_a_value_is_the_plan_of_its_file() {
    let text = "seed = 7\nreplicates = 50\n[net]\nhidden = [64]\n\
                [descent]\nmethod = { momentum = { beta = 0.5 } }\n\
                [[compare]]\nname = \"both\"\n\"descent.method.momentum.beta\" = [0.5, 0.9]\n\
                \"descent.rate.of_limit\" = [0.5]\n\"net.activation\" = [\"relu\", \"tanh\"]\n";
    let study = Study {
        compare: vec![
            Compare::new("both")
                .vary("descent.method.momentum.beta", [0.5, 0.9])
                .vary("descent.rate.of_limit", [0.5])
                .vary("net.activation", ["relu", "tanh"]),
        ],
        ..Study::of(Setting {
            seed: 7,
            replicates: Replicates::Fixed(50),
            net: Net {
                hidden: vec![64],
                ..Net::default()
            },
            descent: Descent {
                method: Method::Momentum { beta: 0.5 },
                ..Descent::default()
            },
            ..Setting::default()
        })
    };
    assert_eq!(
        Plan::new(&study, &Inputs::default()).expect("it is right"),
        plan(text)
    );
}

/// Without a text there is no line to point at, but the keys.
#[test]
fn a_mistake_in_a_value_is_told_by_its_keys() {
    let mut study = Study::of(Setting::default());
    study.compare = vec![Compare::new("size").vary("data.points", [20, 0])];
    let mistake = Plan::new(&study, &Inputs::default()).expect_err("no points");
    assert_eq!(mistake.path, ["compare", "0", "data.points", "1"]);
    assert!(mistake.message.contains("0 training points"), "{mistake}");
    study.compare.clear();
    study.setting.look.replicates = u64::MAX;
    let mistake = Plan::new(&study, &Inputs::default()).expect_err("TOML has no such number");
    assert!(mistake.hint.is_some_and(|h| h.contains("2^63")));
}

/// The hash of a cell holds what was handed over; the text of a plan holds the hash.
#[test]
fn a_plan_in_text_names_its_data_by_their_hash() {
    let study = source("[data]\nfile = \"mine\"\n[net]\ninit = { file = \"w\" }\nhidden = []")
        .study()
        .expect("it is right");
    let inputs = |y: f64, bias: f64| {
        let array = |name: &str, shape: &[usize], values: &[f64]| Array {
            name: name.into(),
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        let set = Set {
            points: 2,
            x: vec![1.0, 2.0, 3.0, 4.0],
            y: vec![5.0, y],
        };
        let weights = vec![
            array("0.weight", &[1, 2], &[0.1, 0.2]),
            array("0.bias", &[1], &[bias]),
        ];
        let with = Inputs::default().with_data("mine", set).expect("finite");
        with.with_weights("w", weights).expect("finite")
    };
    let plan = |y, bias| Plan::new(&study, &inputs(y, bias)).expect("it is right");
    let (one, other, third) = (plan(6.0, 0.0), plan(7.0, 0.0), plan(6.0, 1.0));
    assert_eq!(one.cells[0].set(3).y, [5.0, 6.0]);
    assert_eq!(one.cells[0].weights(3), [0.1, 0.2, 0.0]);
    assert_eq!(
        (one.cells[0].setting.data.points, one.cells[0].dim()),
        (2, 2)
    );
    let text = serde_json::to_string(&one).expect("it is text");
    assert!(text.contains(&one.cells[0].hash), "{text}");
    let hashes = [&one, &other, &third].map(|p| p.cells[0].hash.clone());
    assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[1] != hashes[2]);
}

/// The limits of a study are those of its files.
#[test]
fn what_is_handed_over_is_checked_as_what_is_written() {
    let set = |n: usize, d: usize| Set {
        points: n,
        x: vec![0.5; n * d],
        y: vec![1.0; n],
    };
    let plan = |text: &str, set: Set| {
        let inputs = Inputs::default().with_data("mine", set).expect("finite");
        source(text).plan(&inputs)
    };
    let refused = |text: &str, of: Set, words: &str, line: usize| match plan(text, of) {
        Err(Error::Study { message, place, .. }) => {
            assert!(message.contains(words), "{message}");
            assert_eq!(place.map(|p| p.line), Some(line), "{message}");
        }
        other => panic!("{words}: {other:?}"),
    };
    let file = "[data]\nfile = \"mine\"\n";
    refused(file, set(100_001, 1), "100001 training points", 2);
    refused(file, set(1, 100_001), "input dimension 100001", 2);
    let batch = format!("{file}[descent]\nbatch = 4");
    refused(&batch, set(3, 2), "a batch of 4 from 3 points", 4);
    assert!(plan(&batch, set(4, 2)).is_ok());
    let other = file.replace("mine", "yours");
    refused(&other, set(3, 2), "no training set `yours`", 2);
    let compare = format!(
        "{file}[[compare]]\nname = \"batch\"\n\
         \"descent.batch\" = [2, 9]"
    );
    refused(&compare, set(3, 2), "a batch of 9 from 3 points", 5);
    for (x, y, words) in [
        (vec![], vec![], "no inputs"),
        (vec![1.0], vec![], "no inputs"),
        (vec![1.0, 2.0, 3.0], vec![1.0, 2.0], "no inputs"),
        (vec![1.0, f64::NAN], vec![1.0, 2.0], "training point 2"),
        (vec![1.0, 2.0], vec![f64::INFINITY, 2.0], "training point 1"),
    ] {
        let set = Set {
            points: y.len(),
            x,
            y,
        };
        let mistake = Inputs::default().with_data("mine", set).expect_err(words);
        assert!(mistake.to_string().contains(words), "{mistake}");
        assert!(mistake.to_string().starts_with("mine: "), "{mistake}");
    }
    let array = |shape: Vec<usize>, values: Vec<f64>| Array {
        name: "0.weight".into(),
        shape,
        values,
    };
    for bad in [
        array(vec![2, 2], vec![0.0; 3]),
        array(vec![usize::MAX, 2], vec![0.0; 3]),
        array(vec![1], vec![f64::NAN]),
    ] {
        assert!(Inputs::default().with_weights("w", vec![bad]).is_err());
    }
}

/// Names are found wherever a study says them.
#[test]
fn every_input_that_a_study_names_is_known_before_it_is_read() {
    let study = source(
        "[data]\nfile = \"a.csv\"\n[[compare]]\nname = \"data\"\n\
         \"data.file\" = [\"b.csv\", \"c.csv\"]\n\"net.init\" = [\"pytorch\", { file = \"w\" }]\n\
         \"net.init.file\" = [\"v\"]\n\
         [space]\n\"net.hidden\" = [[4]]\n[space.each]\n\"data.file\" = [\"d.csv\"]\n",
    );
    let names = Names::of(&study.study().expect("it is right"));
    assert_eq!(
        Vec::from_iter(names.data),
        ["a.csv", "b.csv", "c.csv", "d.csv"]
    );
    assert_eq!(Vec::from_iter(names.weights), ["v", "w"]);
}

/// A comparison along numbers knows them as numbers, not by what is shown of them.
#[test]
fn the_numbers_of_a_comparison_are_those_written() {
    let along = |key: &str, values: &str| {
        let text = format!("[[compare]]\nname = \"a\"\n\"{key}\" = {values}");
        let numbers = plan(&text).comparisons[0].numbers();
        numbers.map(|all| all.into_iter().map(|(v, _)| v).collect::<Vec<f64>>())
    };
    for (key, values, numbers) in [
        ("data.dim", "[5, 2, 9]", Some(vec![2.0, 5.0, 9.0])),
        ("descent.rate", "[1e-3, 1]", Some(vec![1e-3, 1.0])),
        (
            "descent.rate",
            "[{ of_limit = 0.5 }, { of_limit = 0.25 }]",
            Some(vec![0.25, 0.5]),
        ),
        ("descent.rate", "[{ of_limit = 0.5 }, 0.01]", None),
        ("net.hidden", "[[8], [16, 16], [4]]", None),
        ("net.hidden", "[[8], [16], [4]]", Some(vec![4.0, 8.0, 16.0])),
        (
            "net.hidden",
            "[[8], [8, 8, 8, 8, 8, 8], [8, 8]]",
            Some(vec![1.0, 2.0, 6.0]),
        ),
        (
            "net.init",
            "[{ normal = { variance = 2 } }, { normal = { variance = 1.5 } }]",
            Some(vec![1.5, 2.0]),
        ),
        (
            "net.init",
            "[{ normal = { variance = 2 } }, { constant = 1.5 }]",
            None,
        ),
        ("net.activation", "[\"relu\", \"tanh\"]", None),
        ("net.bias", "[true, false]", None),
        (
            "data.targets",
            "[{ chebyshev = 0 }, { chebyshev = 1 }]",
            None,
        ),
    ] {
        assert_eq!(along(key, values), numbers, "{key} = {values}");
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

/// The plan makes steps of epochs, once it knows the points: so many times the batches of one, with
/// or without the last, smaller one. Without batches an epoch is a step; and a cell is the same,
/// whichever way it is written.
#[test]
fn epochs_are_steps_in_the_plan() {
    let cells = |text: &str| source(text).plan(&Inputs::default()).expect(text).cells;
    let steps = |text: &str| cells(text)[0].setting.descent.steps;
    let batches = "[descent]\nepochs = 200\nbatch = 6";
    assert_eq!(steps("[descent]\nepochs = 200"), 200);
    assert_eq!(steps(batches), 200 * 4);
    assert_eq!(steps(&format!("{batches}\ndrop_last = true")), 200 * 3);
    assert_eq!(steps("[descent]\nepochs = 200\nbatch = 20"), 200);
    assert_eq!(cells(batches)[0].setting.descent.epochs, None);
    let written = cells("[descent]\nsteps = 800\nbatch = 6");
    assert_eq!(written[0].hash, cells(batches)[0].hash);

    let set = Set {
        points: 7,
        x: vec![0.5; 14],
        y: vec![1.0; 7],
    };
    let inputs = Inputs::default().with_data("mine", set).expect("finite");
    let own = format!("[data]\nfile = \"mine\"\n{batches}");
    let plan = source(&own).plan(&inputs).expect("it is right");
    assert_eq!(plan.cells[0].setting.descent.steps, 400);

    // What a comparison says of the one stands in the place of what the base cell says of the
    // other.
    let compare = |key: &str| format!("[[compare]]\nname = \"a\"\n\"descent.{key}\" = [10, 30]\n");
    for (base, key, budgets) in [
        (batches, "steps", [800, 10, 30]),
        (batches, "epochs", [800, 40, 120]),
        ("[descent]\nsteps = 50", "epochs", [50, 10, 30]),
    ] {
        let all = cells(&format!("{base}\n{}", compare(key)));
        let found: Vec<u64> = all.iter().map(|c| c.setting.descent.steps).collect();
        assert_eq!(found, budgets, "{key}");
    }
    let mut one = source("[descent]\nsteps = 50");
    one.set("descent.epochs=3").expect("it is TOML");
    assert_eq!(
        one.study().expect("one of both").setting.descent.epochs,
        Some(3)
    );
    one.set("descent.steps=9").expect("it is TOML");
    assert_eq!(
        one.study().expect("one of both").setting.descent.epochs,
        None
    );
}

/// PyTorch's plain descent is called SGD, whatever its batches.
#[test]
fn sgd_is_another_spelling_of_gd() {
    let cell = |method: &str| {
        let text = format!("[descent]\nmethod = \"{method}\"");
        source(&text)
            .plan(&Inputs::default())
            .expect("a rule")
            .cells
            .remove(0)
    };
    assert_eq!(cell("sgd").hash, cell("gd").hash);
}

/// A claim at a key of 10⁵ parts, and `--set` of 30 000, overflowed the stack.
#[test]
fn keys_without_end_are_refused_wherever_they_stand() {
    let deep = ["data"]
        .iter()
        .chain(&["a"; 100_000])
        .copied()
        .collect::<Vec<_>>();
    let key = deep.join(".");
    let claim = format!(
        "[[claim]]\nwhat = \"success\"\nvalue = 1\nbetween = [0, 1]\nsource = \"me\"\n\
         at = {{ \"{key}\" = 1 }}\n"
    );
    let (message, hint, _) = refused(&claim);
    assert!(message.contains("more than 8 parts") && hint.is_some());
    assert!(message.len() < 200, "{}", message.len());
    let mut study = source("");
    let error = study.set(&format!("{key}=1")).expect_err("too deep");
    assert!(error.to_string().len() < 400, "{}", error.to_string().len());
}

/// A whole number beyond 64 bits was taken for a text.
#[test]
fn a_number_that_is_too_large_is_told_as_one() {
    for assignment in ["seed=9223372036854775808", "descent.rate=1e400"] {
        let error = source("").set(assignment).expect_err("it is too large");
        assert!(error.to_string().contains("too large"), "{error}");
    }
    source("")
        .set("title=3 cells")
        .expect("a text may begin with a digit");
}

/// `a b` and `a-b` had one file, of which the later one was left.
#[test]
fn comparisons_whose_files_would_be_one_are_refused() {
    let two = |a: &str, b: &str| {
        let of = |name: &str| format!("[[compare]]\nname = \"{name}\"\n\"data.dim\" = [2]\n");
        of(a) + &of(b)
    };
    for (a, b) in [("a b", "a-b"), ("Width", "width!"), ("d = 2", "d: 2")] {
        let (message, hint, place) = refused(&two(a, b));
        assert!(
            message.contains("signs and capitals") && hint.is_some(),
            "{message}"
        );
        assert_eq!(place.map(|p| p.line), Some(5));
    }
    let other = source(&two("ширина", "глубина")).plan(&Inputs::default());
    assert!(other.is_ok(), "{other:?}");
}

/// Types are told in the words of a study file, not of Rust.
#[test]
fn types_are_told_in_words() {
    for (text, words) in [
        ("data = 5", "a table"),
        ("[data]\npoints = \"a\"", "a whole number from 0 on"),
        ("[descent]\nsteps = 1e5", "a whole number from 0 on"),
        ("title = 5", "a text in quotes"),
    ] {
        let (message, _, place) = refused(text);
        assert!(message.contains(words), "{message}");
        let rust = ["usize", "u64", "struct", "enum "]
            .iter()
            .find(|w| message.contains(**w));
        assert_eq!(rust, None, "{message}");
        assert!(place.is_some());
    }
}

/// Shares that no number of replicates tells from 0 or 1 ran for ever; what is nested without end,
/// and a law without its numbers, were told without a cure.
#[test]
fn what_cannot_be_decided_or_read_has_a_cure() {
    for (text, words) in [
        ("[success]\nshare = 5e-324", "by 1e-6"),
        ("[success]\nshare = 0.9999999999", "by 1e-6"),
        ("[net]\ninit = \"uniform\"", "newtype"),
    ] {
        let (message, hint, place) = refused(text);
        assert!(message.contains(words), "{message}");
        assert!(hint.is_some() && place.is_some(), "{message}");
    }
    let deep = format!("{}a = 1", "data.".repeat(200));
    assert!(refused(&deep).1.is_some());
}

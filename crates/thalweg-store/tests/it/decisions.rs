//! Certificates and choices as files.

use thalweg::Inputs;
use thalweg::decide::{Choice, Terms, certify, choose};
use thalweg::engine::cpu::Cpu;
use thalweg::lab::Control;

const SPACE: &str = r#"
seed = 3
data = { points = 4, dim = 6 }
net = { hidden = [8], activation = "tanh", init = "xavier_normal" }
descent = { rate = { of_limit = 0.5 }, steps = 3000, precision = "f64" }
success = { loss_below = 1e-6, share = 0.8 }

[space]
cost = "parameter_steps"
race = 200
"net.hidden" = [[8], [24]]
"descent.rate" = [{ of_limit = 0.5 }, { of_limit = 0.02 }, { of_limit = 4.0 }]
"#;

/// What was chosen is read back as it was written.
#[test]
fn a_choice_is_read_back_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = crate::source(SPACE);
    let plans = asked
        .choices(&Inputs::default())
        .expect("the space is right");
    let space = asked
        .study()
        .expect("it is right")
        .space
        .expect("it has one");
    let made = choose(&space, &plans, &Cpu::detect(), 2, &Control::default());
    let made = made.expect("nothing stops it");
    thalweg_store::write_choices(folder.path(), &made).expect("it can be written");
    let plan = crate::plan(SPACE);
    let cell = &plan.cells[0];
    let back = thalweg_store::read_choices(folder.path(), cell).expect("it can be read");
    let as_json = |c: &[Choice]| serde_json::to_string(c).expect("it is plain data");
    assert_eq!(as_json(&back), as_json(&made));

    // Another question's choice is not this one's answer, and a damaged file is told of.
    let other = crate::plan(&SPACE.replace("seed = 3", "seed = 4"));
    let none = thalweg_store::read_choices(folder.path(), &other.cells[0]).expect("it can be read");
    assert!(none.is_empty());
    std::fs::write(folder.path().join("choice.json"), "[{}]").expect("it can be written");
    let e = thalweg_store::read_choices(folder.path(), cell).expect_err("it is damaged");
    assert!(e.to_string().contains("choice.json"), "{e}");
}

/// A certificate comes back as it was written; a changed one, another file and none are told of.
#[test]
fn a_certificate_survives_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("certificate.toml");
    let plan = crate::plan(SPACE);
    let terms = Terms::default();
    let control = Control::default();
    let made = certify(&plan.cells[0], "t", &Cpu::detect(), 2, terms, &control);
    let made = made.expect("it ends");
    thalweg_store::write_certificate(&path, &made).expect("there is room");
    let back = thalweg_store::read_certificate(&path).expect("it was written");
    assert_eq!(back, made);
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("there is room");
        let error = thalweg_store::read_certificate(&path).expect_err("it is none");
        error.to_string()
    };
    let text = made.text().expect("it can be written");
    assert!(refused(text.replace("seed", "sead").as_bytes()).contains("was changed after"));
    assert!(refused(b"hello\n").contains("no certificate") || refused(b"").contains("is none"));
    assert!(refused(&[0xff, 0xfe]).contains("not text"));
}

//! Prints the kernel that trains one of some problems, for what compiles it by other means than the
//! engine: `kernel list`, and `kernel opencl|cuda|host THREADS VARIANT`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use thalweg_engine::{
    Activation, Batch, Clip, Criterion, Loss, Method, Milestone, Output, Precision, Problem,
};
use thalweg_gpu::{Dialect, kernel_source};

fn problem(sizes: &[usize], points: usize) -> Problem {
    Problem {
        activation: Activation::Tanh,
        precision: Precision::F32,
        ..Problem::descent(sizes.to_vec(), true, points, 1000)
    }
}

/// Every choice that a problem can make, one at a time, and some together.
fn variants() -> Vec<(String, Problem)> {
    let small = problem(&[3, 6, 5, 1], 8);
    let mut all = vec![("small".to_string(), small.clone())];
    for precision in Precision::ALL {
        for activation in Activation::ALL {
            let name = format!("{}-{}", activation.name(), precision.name());
            let problem = Problem {
                activation,
                precision,
                ..problem(&[15, 20, 20, 1], 20)
            };
            all.push((name, problem));
        }
    }
    for (i, method) in Method::ALL.into_iter().enumerate() {
        let problem = Problem {
            method,
            weight_decay: 0.1,
            ..small.clone()
        };
        all.push((format!("method-{i}"), problem));
    }
    for (i, clip) in Clip::ALL.into_iter().enumerate() {
        let problem = Problem {
            clip: Some(clip),
            ..small.clone()
        };
        all.push((format!("clip-{i}"), problem));
    }
    for output in Output::ALL {
        let problem = Problem {
            output,
            success: Criterion::Error { below: 0.1 },
            ..problem(&[3, 6, 5, 3], 8)
        };
        all.push((format!("output-{}", output.name()), problem));
    }
    let logistic = Problem {
        loss: Loss::MeanLogistic,
        success: Criterion::Accuracy {
            least: 1.0,
            boundary: 0.0,
        },
        ..small.clone()
    };
    all.push(("logistic".into(), logistic));
    let everything = Problem {
        activation: Activation::Sin,
        method: Method::ALL[4],
        weight_decay: 0.1,
        clip: Some(Clip::Norm(1.0)),
        batch: Some(Batch {
            size: 3,
            drop_last: false,
        }),
        schedule: [Milestone {
            step: 5,
            factor: 0.5,
        }]
        .into(),
        success: Criterion::Error { below: 0.1 },
        ..problem(&[3, 6, 5, 7, 2], 8)
    };
    all.push(("everything".into(), everything));
    let deep = Problem {
        method: Method::ALL[4],
        clip: Some(Clip::Norm(1.0)),
        ..problem(&[3, 6, 6, 6, 6, 6, 6, 6, 6, 5, 1], 8)
    };
    all.push(("deep".into(), deep));
    all.push(("linear".into(), problem(&[15, 1], 20)));
    all.push(("wide".into(), problem(&[15, 64, 64, 1], 20)));
    all.push(("far".into(), problem(&[15, 256, 256, 1], 20)));
    all
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = variants();
    let [language, threads, variant] = &arguments[..] else {
        for (name, _) in all {
            println!("{name}");
        }
        return;
    };
    let dialect = match language.as_str() {
        "opencl" => Dialect::OpenCl,
        "cuda" => Dialect::Cuda,
        _ => Dialect::Host,
    };
    let threads = threads.parse().expect("a number of threads");
    let found = all.iter().find(|(name, _)| name == variant);
    let (_, problem) = found.expect("a name of `kernel list`");
    println!("{}", kernel_source(dialect, problem, threads));
}

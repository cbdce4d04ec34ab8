//! `thalweg devices`: what `--engine gpu` finds here.

use anyhow::Result;
use serde_json::json;
use thalweg::engine::Error;
use thalweg_gpu::About;

use crate::ExitCode;
use crate::terminal::{print, say};

/// What a device says of an arithmetic.
fn can(name: &str, lacks: Option<&str>) -> String {
    match lacks {
        None => format!("{name} with the processor's bits"),
        Some(what) => format!("no {name}: it lacks {what}"),
    }
}

fn data(device: &About) -> serde_json::Value {
    json!({
        "engine": format!("gpu:{}:{}", device.backend, device.number),
        "name": device.name,
        "driver": device.driver,
        "units": device.units,
        "bytes": device.bytes,
        "group_bytes": device.group_bytes,
        "is_processor": device.is_processor,
        "without_f32": device.without_f32,
        "without_f64": device.without_f64,
    })
}

pub(crate) fn devices(as_json: bool) -> Result<ExitCode> {
    let all = thalweg_gpu::devices();
    let found: Vec<&About> = all.iter().flatten().collect();
    let missing: Vec<&Error> = all.iter().filter_map(|d| d.as_ref().err()).collect();
    if as_json {
        let missing: Vec<_> = missing
            .iter()
            .map(|e| json!({ "error": e.to_string(), "hint": e.hint() }))
            .collect();
        let devices: Vec<_> = found.iter().map(|d| data(d)).collect();
        let whole = json!({ "devices": devices, "missing": missing });
        print(&serde_json::to_string_pretty(&whole)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for device in &found {
        print(&format!(
            "gpu:{}:{}  {}",
            device.backend, device.number, device.name
        ))?;
        let memory = device.bytes as f64 / f64::from(1 << 30);
        let of = match device.is_processor {
            true => "a processor by OpenCL, slower than `--engine cpu`: for tests",
            false => "a graphics card",
        };
        say(&format!("  {of}; {}", device.driver), 2)?;
        say(
            &format!(
                "  {} units, {memory:.1} GiB, {} KiB for a group",
                device.units,
                device.group_bytes.div_ceil(1024)
            ),
            2,
        )?;
        say(
            &format!("  {}", can("f32", device.without_f32.as_deref())),
            2,
        )?;
        say(
            &format!("  {}", can("f64", device.without_f64.as_deref())),
            2,
        )?;
    }
    for error in &missing {
        say(&format!("{error}"), 2)?;
        say(&format!("  hint: {}", error.hint()), 2)?;
    }
    if found.is_empty() {
        print("no device: `--engine gpu` cannot train here, `--engine cpu` can")?;
    }
    Ok(ExitCode::SUCCESS)
}

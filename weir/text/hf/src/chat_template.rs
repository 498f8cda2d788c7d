//! Chat templates, with what Hugging Face's renderer offers them: trimmed blocks, loop controls,
//! Python's string methods, `raise_exception`, `strftime_now`, `{% generation %}` and Python's
//! form of `tojson`.

use std::ffi::CString;
use std::sync::{Arc, Mutex};

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};

use crate::boundary::{guard, Bytes, Failure, Outcome, Slice, Status};

/// Steps that a template may take; real ones take thousands.
const FUEL: u64 = 20_000_000;

/// Python's json.dumps: spaces after separators, nothing escaped that JSON does not ask for.
fn to_json(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _ignored: (Option<bool>, Option<bool>) =
        (options.get("ensure_ascii")?, options.get("sort_keys")?);
    options.assert_all_used()?;
    let value = serde_json::to_value(&value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    let mut text = String::new();
    write_json(&value, indent.map(|indent| indent.min(16)), 0, &mut text);
    Ok(text)
}

fn write_json(value: &serde_json::Value, indent: Option<usize>, depth: usize, text: &mut String) {
    let line = |depth: usize, text: &mut String| {
        if let Some(indent) = indent {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let separator = if indent.is_some() { "," } else { ", " };
    let separate = |index: usize, text: &mut String| {
        if index > 0 {
            text.push_str(separator);
        }
        line(depth + 1, text);
    };
    match value {
        serde_json::Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, text);
                write_json(item, indent, depth + 1, text);
            }
            line(depth, text);
            text.push(']');
        }
        serde_json::Value::Object(members) if !members.is_empty() => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                separate(index, text);
                text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                text.push_str(": ");
                write_json(member, indent, depth + 1, text);
            }
            line(depth, text);
            text.push('}');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// The local time, as C's strftime writes it.
fn strftime_now(format: &str) -> Result<String, Error> {
    let format = CString::new(format).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            "strftime_now: NUL in the format",
        )
    })?;
    let mut buffer = [0u8; 512];
    // SAFETY: every pointer is to a live local of the right type; strftime writes at most 512 bytes.
    let size = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut parts: libc::tm = std::mem::zeroed();
        libc::localtime_r(&now, &mut parts);
        libc::strftime(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            format.as_ptr(),
            &parts,
        )
    };
    Ok(String::from_utf8_lossy(&buffer[..size]).into_owned())
}

/// `{% generation %}` marks what a model wrote, for training masks; it prints its body.
fn without_generation_marks(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(place) = rest.find("{%") {
        let (before, tag) = rest.split_at(place);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inside = &tag[2..end];
        out.push_str("{%");
        match inside.trim_matches(|c: char| c == '-' || c == '+' || c.is_whitespace()) {
            "generation" => out.push_str(&inside.replace("generation", "if true")),
            "endgeneration" => out.push_str(&inside.replace("endgeneration", "endif")),
            _ => out.push_str(inside),
        }
        out.push_str("%}");
        rest = &tag[end + 2..];
    }
    out.push_str(rest);
    out
}

fn render(template: &str, context: &str) -> Outcome<String> {
    let context: serde_json::Value = serde_json::from_str(context)?;
    let refusal = Arc::new(Mutex::new(None));
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_function("strftime_now", strftime_now);
    let heard = refusal.clone();
    environment.add_function(
        "raise_exception",
        move |message: String| -> Result<Value, Error> {
            if let Ok(mut heard) = heard.lock() {
                *heard = Some(message.clone());
            }
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    let source = without_generation_marks(template);
    environment.render_str(&source, context).map_err(|error| {
        match refusal.lock().ok().and_then(|mut message| message.take()) {
            Some(message) => Failure {
                status: Status::Refused,
                message,
            },
            None => error.into(),
        }
    })
}

/// # Safety
/// `template` and `context` are readable, `out` and `error` are writable.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_render(
    template: Slice,
    context: Slice,
    out: *mut Bytes,
    error: *mut Bytes,
) -> Status {
    guard(error, || {
        let text = render(template.text()?, context.text()?)?;
        out.write(Bytes::from_vec(text.into_bytes()));
        Ok(())
    })
}

//! What crosses the boundary: byte ranges in, owned bytes and a status out.

use std::any::Any;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::sync::Once;

/// WeirHfStatus of weir_hf.h.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Ok = 0,
    Failed = 1,
    NotUtf8 = 2,
    Refused = 3,
    Panicked = 4,
}

pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl<E: ToString> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure {
            status: Status::Failed,
            message: error.to_string(),
        }
    }
}

pub type Outcome<T> = Result<T, Failure>;

/// Borrowed from C++ for the duration of a call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Slice {
    pub data: *const u8,
    pub size: usize,
}

impl Slice {
    /// # Safety
    /// `data` points to `size` readable bytes that outlive the result, or `size` is 0.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        list(self.data, self.size)
    }

    /// # Safety
    /// As `bytes`.
    pub unsafe fn text<'a>(self) -> Outcome<&'a str> {
        std::str::from_utf8(self.bytes()).map_err(|error| Failure {
            status: Status::NotUtf8,
            message: format!("byte {} is not UTF-8", error.valid_up_to()),
        })
    }
}

/// # Safety
/// `data` points to `size` items that outlive the result, or `size` is 0.
pub unsafe fn list<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

/// Owned by this side; C++ gives it back to weir_hf_bytes_free.
#[repr(C)]
pub struct Bytes {
    pub data: *mut u8,
    pub size: usize,
}

impl Bytes {
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        let (data, size) = leak(bytes);
        Bytes { data, size }
    }
}

/// Pointer and length of a boxed slice that `reclaim` takes back.
pub fn leak<T>(items: Vec<T>) -> (*mut T, usize) {
    let items = Box::leak(items.into_boxed_slice());
    (items.as_mut_ptr(), items.len())
}

/// # Safety
/// The two values come from one call of `leak`, and this is the only `reclaim` of them.
pub unsafe fn reclaim<T>(data: *mut T, size: usize) {
    if !data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(
            data, size,
        )));
    }
}

/// # Safety
/// `bytes` came out of this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn weir_hf_bytes_free(bytes: Bytes) {
    reclaim(bytes.data, bytes.size);
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text.to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "unknown panic".to_string()
    }
}

/// Runs `work`; its failure or panic becomes a status and a message in `error`.
///
/// # Safety
/// `error` points to writable memory.
pub unsafe fn guard(error: *mut Bytes, work: impl FnOnce() -> Outcome<()>) -> Status {
    static SILENCE: Once = Once::new();
    // The default hook prints to stderr; the message travels in `error` instead.
    SILENCE.call_once(|| set_hook(Box::new(|_| {})));
    let failure = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(payload) => Failure {
            status: Status::Panicked,
            message: panic_message(payload.as_ref()),
        },
    };
    error.write(Bytes::from_vec(failure.message.into_bytes()));
    failure.status
}

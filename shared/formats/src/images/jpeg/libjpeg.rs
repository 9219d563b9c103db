//! libjpeg's decoder behind one safe function. The only unsafe code of this crate, because the decoder that the field
//! trusts is C. What keeps it contained:
//!
//! - libjpeg leaves through `error_exit` alone, which must not return: it unwinds (the bindings declare every callback
//!   `C-unwind` and compile libjpeg with unwind tables) to [`decode`], which frees what libjpeg holds.
//! - The input is a slice that outlives the decoder; libjpeg's own memory source reads it and no further.
//! - The output is a buffer of the size that libjpeg announced, checked against a limit before anything of that size is
//!   allocated, and is written row by row.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_ulong};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::ptr;

use mozjpeg_sys as ffi;

/// A picture as libjpeg hands it out.
#[derive(Debug)]
pub struct Decoded {
    pub width: usize,
    pub height: usize,
    /// 1 (grey), 3 (RGB) or 4 (CMYK, as stored).
    pub channels: usize,
    /// `[height, width, channels]`.
    pub samples: Vec<u8>,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    TooLarge { width: usize, height: usize },
    Damaged(String),
}

/// No encoder writes more; a file of a few kilobytes can hold thousands, each of which costs a pass over the picture.
const MAX_SCANS: c_int = 500;

/// What libjpeg remarks on but decodes to the same pixels whoever does it. Anything else that it remarks on means pixels
/// made up in the place of lost ones.
const HARMLESS: [&str; 3] =
    ["extraneous bytes before marker", "unknown JFIF revision", "Unknown Adobe color transform"];

/// Decodes a whole JPEG: accurate integer DCT and smooth upsampling, which are libjpeg's defaults and PIL's.
pub fn decode(bytes: &[u8], max_side: usize) -> Result<Decoded, Refused> {
    let mut decoder = Decoder::default();
    panic::catch_unwind(AssertUnwindSafe(|| decoder.run(bytes, max_side))).unwrap_or_else(|payload| {
        match payload.downcast::<Refused>() {
            Ok(refused) => Err(*refused),
            Err(other) => panic::resume_unwind(other),
        }
    })
}

/// Boxed: libjpeg keeps their addresses.
struct Decoder {
    info: Box<ffi::jpeg_decompress_struct>,
    errors: Box<ffi::jpeg_error_mgr>,
    progress: Box<ffi::jpeg_progress_mgr>,
}

impl Default for Decoder {
    fn default() -> Self {
        // SAFETY: plain C structs of numbers, nullable pointers and enums that have a zero.
        unsafe {
            Self {
                info: Box::new(mem::zeroed()),
                errors: Box::new(mem::zeroed()),
                progress: Box::new(mem::zeroed()),
            }
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: frees what `info` holds; of a zeroed one, nothing. It reports no errors.
        unsafe { ffi::jpeg_destroy_decompress(&mut self.info) }
    }
}

impl Decoder {
    fn run(&mut self, bytes: &[u8], max_side: usize) -> Result<Decoded, Refused> {
        self.start(bytes);
        let info = &mut *self.info;
        // SAFETY: `start` made the decoder and gave it its input, which lives until this returns.
        unsafe { ffi::jpeg_read_header(info, 1) };
        let (width, height) = (info.image_width as usize, info.image_height as usize);
        if width > max_side || height > max_side {
            return Err(Refused::TooLarge { width, height });
        }
        let (channels, colors) = match info.num_components {
            1 => (1, ffi::J_COLOR_SPACE::JCS_GRAYSCALE),
            3 => (3, ffi::J_COLOR_SPACE::JCS_RGB),
            4 => (4, ffi::J_COLOR_SPACE::JCS_CMYK),
            other => return Err(Refused::Damaged(format!("it has {other} color components"))),
        };
        info.out_color_space = colors;
        info.dct_method = ffi::J_DCT_METHOD::JDCT_ISLOW;
        info.do_fancy_upsampling = 1;
        // SAFETY: the header was read.
        unsafe { ffi::jpeg_start_decompress(info) };
        let announced = (info.output_width as usize, info.output_height as usize, info.output_components);
        if announced != (width, height, channels as c_int) {
            return Err(Refused::Damaged("it is scaled".to_owned()));
        }
        let mut samples = vec![0_u8; width * height * channels];
        for row in samples.chunks_exact_mut(width * channels) {
            let mut rows = [row.as_mut_ptr()];
            // SAFETY: one row of `output_width * output_components` bytes, as announced above; one is asked for.
            if unsafe { ffi::jpeg_read_scanlines(info, rows.as_mut_ptr(), 1) } != 1 {
                return Err(Refused::Damaged("it has fewer rows than its header says".to_owned()));
            }
        }
        // SAFETY: every row was read. This reads on to the end of the image.
        unsafe { ffi::jpeg_finish_decompress(info) };
        Ok(Decoded { width, height, channels, samples })
    }

    /// Makes the decoder, with the callbacks below and its input.
    fn start(&mut self, bytes: &[u8]) {
        // SAFETY: the boxes stay where they are for as long as the decoder is used, `bytes` outlives `run`.
        unsafe {
            self.info.common.err = ffi::jpeg_std_error(&mut self.errors);
            self.errors.error_exit = Some(refuse);
            self.errors.emit_message = Some(judge);
            ffi::jpeg_create_decompress(&mut *self.info);
            self.progress.progress_monitor = Some(count_scans);
            self.info.common.progress = &mut *self.progress;
            ffi::jpeg_mem_src(&mut self.info, bytes.as_ptr(), bytes.len() as c_ulong);
        }
    }
}

/// libjpeg cannot go on.
unsafe extern "C-unwind" fn refuse(info: &mut ffi::jpeg_common_struct) {
    // SAFETY: libjpeg calls this with a decoder whose error manager is set.
    let text = unsafe { message(info) };
    // Not `panic!`: nothing is to be printed.
    panic::resume_unwind(Box::new(Refused::Damaged(text)))
}

/// libjpeg has something to remark: −1 is a warning, more is a trace.
unsafe extern "C-unwind" fn judge(info: &mut ffi::jpeg_common_struct, level: c_int) {
    if level >= 0 {
        return;
    }
    // SAFETY: as in `refuse`.
    let text = unsafe { message(info) };
    if !HARMLESS.iter().any(|harmless| text.contains(harmless)) {
        panic::resume_unwind(Box::new(Refused::Damaged(text)))
    }
}

unsafe extern "C-unwind" fn count_scans(info: &mut ffi::jpeg_common_struct) {
    // SAFETY: the decoder begins with the common part, and none but decoders have this callback.
    let scans = unsafe { (*ptr::from_mut(info).cast::<ffi::jpeg_decompress_struct>()).input_scan_number };
    if scans > MAX_SCANS {
        panic::resume_unwind(Box::new(Refused::Damaged(format!("it has more than {MAX_SCANS} scans"))))
    }
}

/// What libjpeg has to say.
unsafe fn message(info: &mut ffi::jpeg_common_struct) -> String {
    /// C's `JMSG_LENGTH_MAX`; the bindings are short by this much.
    const LEN: usize = 200;
    type Format = unsafe extern "C-unwind" fn(*mut ffi::jpeg_common_struct, *mut c_char);
    let mut text: [c_char; LEN] = [0; LEN];
    // SAFETY: `jpeg_std_error` set the callback, which writes a C string of at most `LEN` bytes.
    unsafe {
        if let Some(format) = (*info.err).format_message {
            let format: Format = mem::transmute(format);
            format(info, text.as_mut_ptr());
        }
        text[LEN - 1] = 0;
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}

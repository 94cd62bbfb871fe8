//! What a lane needs for its input: tables for frames, or room for a tensor.

use bytemuck::Zeroable;

use super::axes::AxisMemory;
use super::spec::{LaneInput, NetworkTensor, Preprocessing};
use crate::PreprocessParams;
use crate::driver::{Context, DeviceBuffer, Error, ErrorKind, PinnedBuffer};

/// The memory of a lane's input. A lane for frames has tables and no tensor, a lane for tensors the other way round.
pub(super) struct InputMemory {
    /// What the kernel is told about the input; zeros for tensors.
    pub(super) preprocess: PreprocessParams,
    /// What a byte of each channel becomes.
    pub(super) normalise: Option<DeviceBuffer>,
    pub(super) axes: Option<AxisMemory>,
    /// Where the caller writes a tensor.
    pub(super) tensor: Option<PinnedBuffer>,
}

impl InputMemory {
    /// Takes the memory, for a network with this input.
    pub(super) fn new(
        context: &Context,
        spec: &LaneInput<'_>,
        input: &NetworkTensor<'_>,
    ) -> Result<InputMemory, Error> {
        match spec {
            LaneInput::Frame(p) => {
                let tables = check_and_copy(context, p, input)?;
                let preprocess = PreprocessParams {
                    tables: tables.address(),
                    output: input.buffer.address(),
                    width: p.width_px,
                    height: p.height_px,
                    channels: p.tables.len() as u32,
                    bgr: p.bgr.into(),
                    interleaved: p.interleaved.into(),
                    half: input.half.into(),
                    ..PreprocessParams::zeroed()
                };
                let axes = AxisMemory::new(context, (p.width_px + p.height_px) as usize)?;
                Ok(InputMemory { preprocess, normalise: Some(tables), axes: Some(axes), tensor: None })
            }
            LaneInput::Tensor if input.half => Err(Error::new(
                ErrorKind::Misuse,
                "lane",
                "lane: expected a tensor input of 32-bit floats, got 16-bit ones; keep the network's input f32",
            )),
            LaneInput::Tensor => {
                let tensor = Some(PinnedBuffer::new(context, 4 * input.len, false)?);
                Ok(InputMemory { preprocess: PreprocessParams::zeroed(), normalise: None, axes: None, tensor })
            }
        }
    }
}

/// Looks that frames are preprocessed to as many elements as the network's input has, and copies the tables of what a byte becomes to the
/// device.
fn check_and_copy(
    context: &Context,
    preprocessing: &Preprocessing<'_>,
    input: &NetworkTensor<'_>,
) -> Result<DeviceBuffer, Error> {
    let Preprocessing { width_px, height_px, tables, .. } = preprocessing;
    let elements = *width_px as usize * *height_px as usize * tables.len();
    if elements != input.len || ![1, 3].contains(&tables.len()) {
        return Err(Error::new(
            ErrorKind::Misuse,
            "lane",
            format!("lane: expected an input of {} elements, got {elements}; give the network's size", input.len),
        ));
    }
    let mut copy = DeviceBuffer::new(context, size_of_val(*tables))?;
    copy.write(0, bytemuck::cast_slice(tables))?;
    Ok(copy)
}

//! Errors of the library, the trainer and the study as the command line words them: their remedies speak of subcommands and options.
//! What only the kind of an error decides is `common::line_of`'s.

use std::path::Path;

use trt_select::bundle::Bundle;
use trt_select::{Error, ErrorKind, Result};
use trt_select_train::{Goal, Message, ProfileError, ProfileErrorKind, TrainError, TrainErrorKind};

fn data(message: &Message) -> Error {
    Error::new(ErrorKind::Data, message.to_string())
}

/// Reads a bundle with its premodel.
pub(crate) fn read_bundle(dir: &Path) -> Result<Bundle> {
    Bundle::read(dir).map_err(|error| match Bundle::read_untrained(dir) {
        Ok(bundle) => of_bundle(error, &bundle),
        Err(_) => error,
    })
}

/// Why a bundle or its selector could not be opened. Where the premodel is not there, the line ends with what makes one.
pub(crate) fn of_bundle(error: Error, bundle: &Bundle) -> Error {
    let untrained = match &bundle.premodel {
        None => error.kind() == ErrorKind::Bundle,
        Some(path) => error.kind() == ErrorKind::Io && !path.is_file(),
    };
    if !untrained {
        return error;
    }
    let line = format!("{error} (trt-select profile, then trt-select train)");
    Error::new(error.kind(), line).caused_by(error)
}

/// A profile or its side file that cannot be used.
pub(crate) fn of_profile(error: &ProfileError) -> Error {
    let remedy = match error.kind() {
        ProfileErrorKind::Unreadable | ProfileErrorKind::Empty => "make one with trt-select profile",
        ProfileErrorKind::FieldCount => "remove the line, or run trt-select profile again: it goes on from there",
        ProfileErrorKind::SideColumn => "remove the file, or make it anew with trt-select profile",
        ProfileErrorKind::SideRow => "remove the file, or run trt-select profile again: it goes on from there",
        ProfileErrorKind::NotMeasured => "make it with trt-select profile",
        _ => return data(error.message()),
    };
    data(&error.message().clone().with_remedy(remedy))
}

/// Why nothing could be trained for a goal, which stands in the message as it is asked for.
pub(crate) fn of_training(error: &TrainError, goal: Goal) -> Error {
    if error.kind() != TrainErrorKind::Goal {
        return data(error.message());
    }
    data(&error.message().clone().with_object(match goal {
        Goal::AtLeastBestSingle { margin } => format!("--at-least best-single with margin {margin}"),
        Goal::AtLeast(reward) => format!("--at-least {reward}"),
        Goal::AtMost(cost) => format!("--at-most-ms {cost}"),
        Goal::Price(price) => format!("--lambda {price}"),
        _ => error.message().object.clone(),
    }))
}

//! What every backend promises, asked of each in the same words.
//!
//! A case is an `async fn(Env, PathBuf)` that gets an environment and an empty directory; a world
//! supplies those and drives the case to its end. Cases name the invariants of the crate (I1 to
//! I3) where they check one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod files;
mod hardship;
mod names;
mod world;

/// One test per case and world.
macro_rules! conformance {
    ($($world:ident => [$($module:ident :: $case:ident),* $(,)?]);* $(;)?) => {
        $(mod $world {
            $(#[test]
            fn $case() {
                crate::world::$world().run(|env, dir| Box::pin(crate::$module::$case(env, dir)));
            })*
        })*
    };
}

macro_rules! all_cases {
    ($($world:ident),* $(,)?) => {
        conformance! {
            $($world => [
                files::what_is_written_is_read,
                files::a_read_across_the_end_is_short,
                files::a_hole_reads_as_zeros,
                files::overlapping_writes_land_in_order,
                files::durable_writes_of_any_alignment,
                files::durable_writes_in_flight_together,
                files::try_read_agrees_with_read,
                files::set_len_cuts_and_grows_with_zeros,
                files::preallocate_makes_zeros,
                files::two_opens_share_the_content,
                files::a_read_only_open_refuses_to_write,
                names::open_options_mean_what_they_say,
                names::missing_files_are_not_found,
                names::rename_replaces,
                names::a_removed_file_lives_while_open,
                names::list_is_sorted_and_names_only,
                names::metadata_tells_identity_and_length,
                names::unlinked_files_have_no_name,
                names::there_is_free_space,
                names::locks_keep_opens_apart,
                names::closing_gives_up_locks,
                hardship::i3_dropped_operations_are_whole_or_absent,
                hardship::thousands_in_flight,
                hardship::shutdown_drains_and_then_refuses,
                hardship::errors_name_operation_file_and_offset,
            ];)*
        }
    };
}

all_cases!(memory, blocking, uring, uring_durable_by_ring, simulated);

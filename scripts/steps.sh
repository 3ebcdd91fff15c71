# shellcheck shell=bash
# Sourced by scripts that consist of steps: prints a heading and the time of each, and a table of the times at
# the end.

step='' step_start=0 step_times=()

step() {
    end_step
    step=$1 step_start=$SECONDS
    printf '\n== %s\n' "$step"
}

end_step() {
    [[ -n $step ]] || return 0
    printf '   %s: %d s\n' "$step" "$((SECONDS - step_start))"
    step_times+=("$(printf '%7d  %s' "$((SECONDS - step_start))" "$step")")
}

# Call this on exit, with the exit status and, unless it is the last step, what failed.
report_steps() {
    local status=$1 failed=${2:-$step}
    end_step
    printf '\nseconds  step\n'
    printf '%s\n' "${step_times[@]}"
    if ((status == 0)); then
        printf '\nAll checks passed in %d s.\n' "$SECONDS"
    else
        printf '\nFAILED: %s\n' "${failed:-setting up}" >&2
    fi
}

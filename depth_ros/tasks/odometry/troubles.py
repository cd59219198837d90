"""Troubles of odometry: one sentence each, with the remedy where there is one."""

from __future__ import annotations

from depth_ros.tasks.odometry.settings import TrackingSettings
from depth_ros.tasks.odometry.values import MatchCounts, Reason, Trouble

WAITING = Trouble(
    reason=Reason.WAITING, text='waiting for a frame that can be placed against a first keyframe'
)
RESET = Trouble(reason=Reason.RESET, text='reset; the next good frame is the new origin')
NO_DEPTH = Trouble(
    reason=Reason.NO_DEPTH,
    text='no keyframe can be taken: the frame has no metric depth between min_depth_m and '
    'max_depth_m; check the depth images or the second camera',
)

DIRECTION_ONLY = Trouble(
    reason=Reason.DIRECTION_ONLY,
    text='one camera gives rotation and direction only, no metres; use stereo or RGB-D for those',
)


def no_parallax(text: str) -> Trouble:
    """Return the trouble: the camera only turned, or did not move."""
    return Trouble(reason=Reason.NO_PARALLAX, text=f'no direction of travel: {text}')


DISPUTED = Trouble(
    reason=Reason.DISPUTED,
    text='more matches agree with another motion than with the steady one: something large moves '
    'before the camera',
)


def clock(step_s: float) -> Trouble:
    """Return the trouble: time went back."""
    text = f'time went back by {-step_s:.1f} s, so odometry started again at a new origin'
    return Trouble(reason=Reason.CLOCK, text=text)


def gap(step_s: float, settings: TrackingSettings) -> Trouble:
    """Return the trouble: frames were missing for too long."""
    text = (
        f'no frame for {step_s:.2f} s, longer than max_gap_s {settings.max_gap_s:g}; '
        'where frames are meant to be as far apart, raise max_gap_s'
    )
    return Trouble(reason=Reason.GAP, text=text)


def few_matches(num_found: int, num_usable: int, settings: TrackingSettings) -> Trouble:
    """Return the trouble: too few matches to estimate a pose."""
    text = (
        f'{num_found} matches with the keyframe, {num_usable} of them with depth, '
        f'at least {settings.min_inliers} are needed'
    )
    reason = Reason.FEW_MATCHES if num_found < settings.min_inliers else Reason.NO_DEPTH
    return Trouble(reason=reason, text=text)


def weak_evidence(counts: MatchCounts, settings: TrackingSettings) -> Trouble | None:
    """Return the trouble if too few matches agree, or too badly, for a pose; else None."""
    is_few = counts.num_inliers < settings.min_inliers
    if is_few or counts.inlier_fraction < settings.min_inlier_fraction:
        text = (
            f'only {counts.num_inliers} of {counts.num_matches} matches agree with one pose, at '
            f'least {settings.min_inliers} and a share of {settings.min_inlier_fraction:g} are '
            'needed'
        )
        return Trouble(reason=Reason.FEW_INLIERS, text=text)
    if counts.residual_px > settings.max_residual_px:
        text = (
            f'inliers miss by {counts.residual_px:.2f} px, more than max_residual_px '
            f'{settings.max_residual_px:g}; check the calibration and the depth'
        )
        return Trouble(reason=Reason.RESIDUAL, text=text)
    return None


def thin_evidence(
    counts: MatchCounts, sigma_m: float, settings: TrackingSettings
) -> Trouble | None:
    """Return the trouble if a pose has weak support; else None."""
    if counts.num_inliers < settings.good_inliers:
        text = (
            f'only {counts.num_inliers} matches agree with the pose, {settings.good_inliers} '
            'would be good'
        )
        return Trouble(reason=Reason.FEW_INLIERS, text=text)
    if sigma_m > settings.good_sigma_m:
        text = f'the position is known to {sigma_m:.2f} m only, {settings.good_sigma_m:g} m would'
        return Trouble(reason=Reason.UNSURE, text=f'{text} be good')
    return None


def found_again(number: int, lost_s: float) -> Trouble:
    """Return the trouble that says which keyframe was found again."""
    text = f'found keyframe {number} again, {lost_s:.1f} s after the last pose; the next frame '
    return Trouble(reason=Reason.RELOCALISED, text=f'{text}must confirm it')

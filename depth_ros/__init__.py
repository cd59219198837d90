"""Depth for robots: stereo, monocular and multi-view networks, behind ROS 2 topics or a call.

    import depth_ros

    rig = depth_ros.read_rig('calibration.json')
    with depth_ros.open_stereo() as stereo:
        result = stereo(left, right, rig)
    depth_ros.save_cloud('cloud.ply', result)

Importing this package needs NumPy alone: each name below is imported when it is first used. The
modules are described in ``docs/architecture.md``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depth_ros.calibration.distortion import DistortionModel as DistortionModel
    from depth_ros.camera import PinholeCamera as PinholeCamera
    from depth_ros.camera import StereoCamera as StereoCamera
    from depth_ros.camera import camera_from_calibration as camera_from_calibration
    from depth_ros.camera import ideal_camera as ideal_camera
    from depth_ros.camera import scaled_camera as scaled_camera
    from depth_ros.camera import stereo_camera as stereo_camera
    from depth_ros.errors import CalibrationError as CalibrationError
    from depth_ros.errors import DepthRosError as DepthRosError
    from depth_ros.errors import EngineError as EngineError
    from depth_ros.errors import ImageError as ImageError
    from depth_ros.errors import InputError as InputError
    from depth_ros.errors import ParameterError as ParameterError
    from depth_ros.errors import WeightsError as WeightsError
    from depth_ros.files.bags import read_bag as read_bag
    from depth_ros.files.calibration import MonoCalibration as MonoCalibration
    from depth_ros.files.calibration import StereoCalibration as StereoCalibration
    from depth_ros.files.calibration import read_mono_calibration
    from depth_ros.files.calibration import read_rig as read_rig
    from depth_ros.files.cloud import save_cloud as save_cloud
    from depth_ros.files.image import read_rgb
    from depth_ros.files.maps import save_depth as save_depth
    from depth_ros.files.posed.layouts import read_posed_folder as read_posed_folder
    from depth_ros.frames import MonoFrame as MonoFrame
    from depth_ros.frames import RgbdFrame as RgbdFrame
    from depth_ros.frames import StereoFrame as StereoFrame
    from depth_ros.geometry.posed_view import PosedView as PosedView
    from depth_ros.geometry.two_view import TwoViewGeometry as TwoViewGeometry
    from depth_ros.geometry.two_view import TwoViewStatus as TwoViewStatus
    from depth_ros.results import DepthMap as DepthMap
    from depth_ros.results import DepthScale as DepthScale
    from depth_ros.tasks.call import mono_frame as mono_frame
    from depth_ros.tasks.call import posed_view as posed_view
    from depth_ros.tasks.call import stereo_frame as stereo_frame
    from depth_ros.tasks.matching.matcher import Matcher as Matcher
    from depth_ros.tasks.matching.matcher import open_matcher as open_matcher
    from depth_ros.tasks.matching.question import MatchAnswer as MatchAnswer
    from depth_ros.tasks.mono.opening import open_mono as open_mono
    from depth_ros.tasks.mono.processor import MonoProcessor as MonoProcessor
    from depth_ros.tasks.multiview.processor import MultiViewProcessor as MultiViewProcessor
    from depth_ros.tasks.multiview.processor import open_multiview as open_multiview
    from depth_ros.tasks.odometry.processor import OdometryProcessor as OdometryProcessor
    from depth_ros.tasks.odometry.processor import open_odometry as open_odometry
    from depth_ros.tasks.odometry.processor import rgbd_frame as rgbd_frame
    from depth_ros.tasks.odometry.values import OdometryOutput as OdometryOutput
    from depth_ros.tasks.odometry.values import OdometryState as OdometryState
    from depth_ros.tasks.stereo.processor import StereoProcessor as StereoProcessor
    from depth_ros.tasks.stereo.processor import open_stereo as open_stereo

    read_camera, read_image = read_mono_calibration, read_rgb

__version__ = '0.1.0'

_HOMES: dict[str, str] = {
    'CalibrationError': 'depth_ros.errors.CalibrationError',
    'DepthMap': 'depth_ros.results.DepthMap',
    'DepthRosError': 'depth_ros.errors.DepthRosError',
    'DepthScale': 'depth_ros.results.DepthScale',
    'DistortionModel': 'depth_ros.calibration.distortion.DistortionModel',
    'EngineError': 'depth_ros.errors.EngineError',
    'ImageError': 'depth_ros.errors.ImageError',
    'InputError': 'depth_ros.errors.InputError',
    'MatchAnswer': 'depth_ros.tasks.matching.question.MatchAnswer',
    'Matcher': 'depth_ros.tasks.matching.matcher.Matcher',
    'MonoCalibration': 'depth_ros.files.calibration.MonoCalibration',
    'MonoFrame': 'depth_ros.frames.MonoFrame',
    'MonoProcessor': 'depth_ros.tasks.mono.processor.MonoProcessor',
    'MultiViewProcessor': 'depth_ros.tasks.multiview.processor.MultiViewProcessor',
    'OdometryOutput': 'depth_ros.tasks.odometry.values.OdometryOutput',
    'OdometryProcessor': 'depth_ros.tasks.odometry.processor.OdometryProcessor',
    'OdometryState': 'depth_ros.tasks.odometry.values.OdometryState',
    'ParameterError': 'depth_ros.errors.ParameterError',
    'PinholeCamera': 'depth_ros.camera.PinholeCamera',
    'PosedView': 'depth_ros.geometry.posed_view.PosedView',
    'RgbdFrame': 'depth_ros.frames.RgbdFrame',
    'StereoCalibration': 'depth_ros.files.calibration.StereoCalibration',
    'StereoCamera': 'depth_ros.camera.StereoCamera',
    'StereoFrame': 'depth_ros.frames.StereoFrame',
    'StereoProcessor': 'depth_ros.tasks.stereo.processor.StereoProcessor',
    'TwoViewGeometry': 'depth_ros.geometry.two_view.TwoViewGeometry',
    'TwoViewStatus': 'depth_ros.geometry.two_view.TwoViewStatus',
    'WeightsError': 'depth_ros.errors.WeightsError',
    'camera_from_calibration': 'depth_ros.camera.camera_from_calibration',
    'ideal_camera': 'depth_ros.camera.ideal_camera',
    'mono_frame': 'depth_ros.tasks.call.mono_frame',
    'open_matcher': 'depth_ros.tasks.matching.matcher.open_matcher',
    'open_mono': 'depth_ros.tasks.mono.opening.open_mono',
    'open_multiview': 'depth_ros.tasks.multiview.processor.open_multiview',
    'open_odometry': 'depth_ros.tasks.odometry.processor.open_odometry',
    'open_stereo': 'depth_ros.tasks.stereo.processor.open_stereo',
    'posed_view': 'depth_ros.tasks.call.posed_view',
    'read_bag': 'depth_ros.files.bags.read_bag',
    'read_camera': 'depth_ros.files.calibration.read_mono_calibration',
    'read_image': 'depth_ros.files.image.read_rgb',
    'read_posed_folder': 'depth_ros.files.posed.layouts.read_posed_folder',
    'read_rig': 'depth_ros.files.calibration.read_rig',
    'rgbd_frame': 'depth_ros.tasks.odometry.processor.rgbd_frame',
    'save_cloud': 'depth_ros.files.cloud.save_cloud',
    'save_depth': 'depth_ros.files.maps.save_depth',
    'scaled_camera': 'depth_ros.camera.scaled_camera',
    'stereo_camera': 'depth_ros.camera.stereo_camera',
    'stereo_frame': 'depth_ros.tasks.call.stereo_frame',
}
"""Module of each public name; type checkers read the imports above."""

__all__ = sorted(['__version__', *_HOMES])

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name of the public API when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
        module, _, attribute = _HOMES[name].rpartition('.')
        globals()[name] = getattr(import_module(module), attribute)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

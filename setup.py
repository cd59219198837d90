"""Install depth_ros with pip or colcon; share/depth_ros gets what nodes read at run time."""

from pathlib import Path

from setuptools import setup

NAME = 'depth_ros'
ROOT = Path(__file__).resolve().parent
SHARED_FOLDERS = {
    'launch': '*.launch.py',
    'config': '*.*',
    'config/security': '*.xml',
    'engines': '*.*',
    'weights': '*.*',
    'config/foxglove': '*.json',
    'depth_ros_interfaces/msg': '*.msg',
}


def packages():
    """List the package and its sub-packages, and nothing else in the checkout."""
    folders = [path.parent for path in sorted((ROOT / NAME).rglob('__init__.py'))]
    return ['.'.join(folder.relative_to(ROOT).parts) for folder in folders]


def data_files():
    """List (target folder, files) pairs for the ament index and share/depth_ros."""
    entries = [
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml', 'LICENSE']),
    ]
    for folder, pattern in SHARED_FOLDERS.items():
        files = [path for path in sorted((ROOT / folder).glob(pattern)) if path.is_file()]
        if files:
            names = [str(path.relative_to(ROOT)) for path in files]
            entries.append((f'share/{NAME}/{folder}', names))
    return entries


setup(
    name=NAME,
    version='0.1.0',
    description='Camera topics in, disparity, depth and point clouds out, for ROS 2',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=packages(),
    package_data={NAME: ['py.typed']},
    data_files=data_files(),
    install_requires=['setuptools', 'numpy>=1.21.5'],
    extras_require={
        'opencv': ['opencv-python-headless>=4.5.4'],
        'openvino': ['openvino>=2024.0'],
        'onnxruntime': ['onnxruntime>=1.17'],
        # Where engines are calibrated; a built one runs without it.
        'int8': ['nncf>=3.4', 'openvino>=2024.0'],
        'cli': ['rich>=13', 'PyYAML>=5.4'],
        'viewer': ['viser>=1.1,<1.2'],
        'bags': ['rosbags>=0.11', 'mcap>=1.2'],
        # All that depth-ros process takes, with a runtime for networks.
        'process': [
            'rosbags>=0.11',
            'mcap>=1.2',
            'opencv-python-headless>=4.5.4',
            'openvino>=2024.0',
            'PyYAML>=5.4',
            'rich>=13',
        ],
        'report': ['pyarrow>=14'],
        # Zarr 3 needs Python 3.11.
        'zarr': ['zarr>=3'],
        'remote': ['fsspec>=2024.2', 's3fs>=2024.2'],
        # The same on a Ray cluster with recordings in S3; every machine of it needs this.
        'ray': [
            'ray>=2.9',
            'fsspec>=2024.2',
            's3fs>=2024.2',
            'rosbags>=0.11',
            'mcap>=1.2',
            'opencv-python-headless>=4.5.4',
            'openvino>=2024.0',
            'PyYAML>=5.4',
            'rich>=13',
        ],
        'benchmarks': ['evo>=1.20'],
        'export': ['torch>=2.5', 'onnx', 'onnxscript', 'safetensors'],
        # colcon test runs pytest where a package asks for it in this way.
        'test': ['pytest'],
    },
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'depth-ros = depth_ros.cli.main:main',
            'stereo_node = depth_ros.ros.entry:stereo_node',
            'multiview_node = depth_ros.ros.entry:multiview_node',
            'mono_node = depth_ros.ros.entry:mono_node',
            'sample_camera = depth_ros.ros.entry:sample_camera',
            'matcher_node = depth_ros.ros.entry:matcher_node',
            'odometry_node = depth_ros.ros.entry:odometry_node',
            'viewer_node = depth_ros.ros.entry:viewer_node',
            'doctor = depth_ros.ros.entry:doctor',
            'perception = depth_ros.ros.entry:perception',
        ],
    },
)

"""The table of models, of this and of other packages, and of the tasks that they serve."""

from __future__ import annotations

from depth_ros.entries import Extras, ModelEntry, Names, Service, Signature, always, has_beginning
from depth_ros.errors import ParameterError
from depth_ros.plugins import plugins
from depth_ros.tensors import Task


def _monodepth2_in_words(names: Names, extras: Extras) -> str:
    """Return encoder, networks, size and training, by parameter names and extras."""
    is_deep = has_beginning(names, 'encoder.encoder.layer1.0.conv3.')
    layers = 'ResNet-50' if is_deep else 'ResNet-18'
    pose = 'depth and pose networks' if has_beginning(names, 'pose.') else 'depth network'
    size = f'{extras["height"]}x{extras["width"]}' if 'height' in extras else 'no stated size'
    pairs = {True: ', trained on stereo pairs', False: ', trained on one camera alone'}
    stereo = extras.get('use_stereo')
    return f'{layers}, {pose}, {size}{pairs[stereo] if isinstance(stereo, bool) else ""}'


def _mvsnet_in_words(names: Names, extras: Extras) -> str:
    return f'{"with" if has_beginning(names, "refine_network.") else "without"} refinement'


_ENTRIES = (
    ModelEntry(
        name='sgbm',
        title='SGBM',
        summary="OpenCV's semi-global block matching: the baseline that needs no weights",
        services={
            Task.STEREO: Service(
                factory='depth_ros.models.sgbm.model:SgbmModel',
                arguments={'settings': 'settings.sgbm'},
            )
        },
        needs_weights=False,
    ),
    ModelEntry(
        name='crestereo',
        title='CREStereo',
        summary='CREStereo (Li et al. 2022): recurrent stereo matching with a cascade',
        services={Task.STEREO: Service(factory='depth_ros.models.crestereo.model:CreStereoModel')},
        signature=Signature(
            beginnings=('fnet.', 'update_block.'), describe=always('the one published layout')
        ),
        tuning='depth_ros.training.finetune.students:FULL',
    ),
    ModelEntry(
        name='crestereo_tiny',
        title='CREStereo tiny',
        summary='The small CREStereo that this project trains and ships: no download, CPU or GPU',
        services={Task.STEREO: Service(factory='depth_ros.models.crestereo.model:CreStereoModel')},
        ships_weights=True,
        tuning='depth_ros.training.finetune.students:TINY',
    ),
    ModelEntry(
        name='crestereo_tiny_hinted',
        title='CREStereo tiny, hinted',
        summary='CREStereo tiny that is told what is already known, e.g. by SGBM on the same pair',
        services={
            Task.STEREO: Service(
                factory='depth_ros.models.crestereo.hinted_model:CreStereoHintedModel',
                defaults={'min_confidence': 0.5},
                reads=('hints', 'sgbm'),
            )
        },
        ships_weights=True,
        tuning='depth_ros.training.finetune.students:HINTED',
    ),
    ModelEntry(
        name='crestereo_hinted',
        title='CREStereo, hinted',
        summary='CREStereo that starts from what is already known; the weights of crestereo',
        services={
            Task.STEREO: Service(
                factory='depth_ros.models.crestereo.hinted_model:CreStereoHintedModel',
                reads=('hints', 'sgbm'),
            )
        },
    ),
    ModelEntry(
        name='crestereo_tiny_half',
        title='CREStereo tiny, at half the size',
        summary='CREStereo tiny with hints at half the size, and a last step at the full size',
        services={
            Task.STEREO: Service(
                factory='depth_ros.models.crestereo.hinted_model:CreStereoHintedModel',
                defaults={'min_confidence': 0.3},
                reads=('hints', 'sgbm'),
            )
        },
        ships_weights=True,
    ),
    ModelEntry(
        name='monodepth2',
        title='Monodepth2',
        summary='Monodepth2 (Godard et al. 2019): relative depth of one image, light and fast',
        services={
            Task.MONO: Service(
                factory='depth_ros.models.monodepth2.model:Monodepth2Model', graphs=('depth',)
            )
        },
        signature=Signature(
            beginnings=('encoder.encoder.', 'depth.decoder.'),
            describe=_monodepth2_in_words,
        ),
        tuning='depth_ros.training.finetune.mono_job:load_video_network',
    ),
    ModelEntry(
        name='tio_depth',
        title='TiO-Depth',
        summary='TiO-Depth (Zhou and Dong 2023): one set of weights for mono and stereo',
        services={
            Task.STEREO: Service(
                factory='depth_ros.models.tio_depth.model:TioStereoModel', graphs=('stereo',)
            ),
            Task.MONO: Service(
                factory='depth_ros.models.tio_depth.model:TioMonoModel',
                graphs=('refine', 'mono'),
                chosen_by='path',
                arguments={
                    'path': 'settings.path',
                    'focal_over_width': 'training_rig.focal_over_width',
                },
            ),
        },
        signature=Signature(
            beginnings=('0.patch_embed.', '1._convs.'),
            describe=always('Swin-T with 49 levels: mono, refine and stereo'),
        ),
        tuning='depth_ros.training.finetune.students:TIO',
    ),
    ModelEntry(
        name='sift',
        title='SIFT',
        summary='SIFT keypoints with ratio test and mutual check: matching without weights',
        services={
            Task.MATCHING: Service(
                factory='depth_ros.models.keypoints.model:sift_model',
                arguments={'max_keypoints': 'settings.max_keypoints'},
            )
        },
        needs_weights=False,
    ),
    ModelEntry(
        name='orb',
        title='ORB',
        summary='ORB keypoints with ratio test and mutual check: the fastest matcher',
        services={
            Task.MATCHING: Service(
                factory='depth_ros.models.keypoints.model:orb_model',
                arguments={'max_keypoints': 'settings.max_keypoints'},
            )
        },
        needs_weights=False,
    ),
    ModelEntry(
        name='loftr',
        title='LoFTR',
        summary='LoFTR (Sun et al. 2021): matches without keypoints, also where texture is poor',
        services={Task.MATCHING: Service(factory='depth_ros.models.loftr.model:LoftrModel')},
        signature=Signature(
            beginnings=('backbone.', 'loftr_coarse.', 'loftr_fine.'),
            describe=always('coarse and fine matching'),
            needs_variant=True,
        ),
    ),
    ModelEntry(
        name='loftr_tiny',
        title='LoFTR tiny',
        summary='The small LoFTR that this project trains and ships: no download, CPU or GPU',
        services={Task.MATCHING: Service(factory='depth_ros.models.loftr.model:LoftrModel')},
        ships_weights=True,
        former_name='loftr/tiny',
    ),
    ModelEntry(
        name='loftr_coarse',
        title='LoFTR coarse student',
        summary='The distilled coarse half of LoFTR (Kolodiazhnyi 2022): light, not refined',
        services={
            Task.MATCHING: Service(
                factory='depth_ros.models.loftr.model:coarse_model',
                defaults={'min_confidence': 0.01, 'inlier_threshold_px': 8.0},
            )
        },
        former_name='loftr/coarse_student',
    ),
    ModelEntry(
        name='monodepth2_pose',
        title='Monodepth2 pose',
        summary='The pose network of Monodepth2: rotation and direction between two images',
        services={
            Task.MOTION: Service(
                factory='depth_ros.models.monodepth2.model:Monodepth2Pose', graphs=('pose',)
            )
        },
        recipe='monodepth2',
    ),
    ModelEntry(
        name='mvsnet',
        title='MVSNet',
        summary='MVSNet (Yao et al. 2018): depth from posed views by a variance volume',
        services={
            Task.MULTIVIEW: Service(
                factory='depth_ros.models.mvsnet.model:MvsnetModel',
                arguments={
                    'num_depths': 'options.depths',
                    'num_sources': 'options.sources',
                    'num_slab_depths': 'options.slab',
                    'sampling': 'settings.sampling',
                    'fit': 'settings.fit',
                    'upsampling': 'settings.upsampling',
                },
            )
        },
        ships_weights=True,
        shipped_licence='Apache-2.0',
        signature=Signature(
            beginnings=('feature.', 'cost_regularization.'), describe=_mvsnet_in_words
        ),
    ),
)

MODELS: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}
"""Every model of this package by name. Adding one adds a folder, a recipe and an entry here."""

DEFAULT_MODELS: dict[Task, str] = {
    Task.STEREO: 'crestereo_tiny_hinted',
    Task.MONO: 'monodepth2',
    Task.MULTIVIEW: 'mvsnet',
    Task.MATCHING: 'sift',
}
"""Default model of each task."""

DEFAULT_STEREO_MODEL = DEFAULT_MODELS[Task.STEREO]
DEFAULT_KEYFRAME_MODEL = 'sgbm'
"""Stereo model for keyframe depth of odometry; it leaves uncertain pixels unknown."""


def models() -> dict[str, ModelEntry]:
    """Return every model by name, those of this package first."""
    added = plugins().entries
    return {**MODELS, **{name: added[name] for name in added if name not in MODELS}}


def model_faults() -> dict[str, str]:
    """Return why models of other packages are unusable: one sentence by name."""
    taken = {
        name: f'model {name!r} of another package is left out: this package has one of that name'
        for name in plugins().entries
        if name in MODELS
    }
    return {**plugins().faults, **taken}


def models_of(*tasks: Task) -> tuple[str, ...]:
    """Return the names of the models that serve one of the tasks, in the table's order."""
    return tuple(name for name, entry in models().items() if set(tasks) & set(entry.tasks))


def graph_choices(task: Task, setting: str) -> tuple[str, ...]:
    """Return what a setting of a task may choose from: graphs of the models that ask for it."""
    services = [models()[name].services[task] for name in models_of(task)]
    graphs = [graph for one in services if one.chosen_by == setting for graph in one.graphs]
    return tuple(dict.fromkeys(graphs))


def shipped_model(task: Task) -> str:
    """Return the first network that serves a task and ships with weights."""
    return next(name for name in models_of(task) if models()[name].ships_weights)


def weightless_models(task: Task) -> tuple[str, ...]:
    """Return the names of the models that serve a task without any weights."""
    return tuple(name for name in models_of(task) if not models()[name].needs_weights)


def hinted_models() -> tuple[str, ...]:
    """Return the names of the stereo models that make use of a hint."""
    task = Task.STEREO
    return tuple(
        name for name in models_of(task) if 'hints' in models()[name].services[task].reads
    )


def tunable_models() -> tuple[str, ...]:
    """Return the names of the models that can be fine-tuned."""
    return tuple(name for name, entry in models().items() if entry.tuning)


def expect_tunable(name: str) -> None:
    """Refuse a model that cannot be fine-tuned.

    Raises:
        ParameterError: Naming those that can.
    """
    if name in tunable_models():
        return
    what = 'cannot be fine-tuned' if name in models() else 'is no model'
    raise ParameterError(
        renaming_of(name)
        or f'{name!r} {what}; set --model to one of: {", ".join(tunable_models())}'
    )


def signatures() -> dict[str, Signature]:
    """Return the signatures of official checkpoints by model."""
    found = {name: entry.signature for name, entry in models().items()}
    return {name: signature for name, signature in found.items() if signature is not None}


def model_entry(name: str, task: Task) -> ModelEntry:
    """Look a model up.

    Raises:
        ParameterError: If no model of that name serves the task.
    """
    entry = models().get(name)
    if entry is not None and task in entry.tasks:
        return entry
    raise ParameterError(
        renaming_of(name)
        or model_faults().get(name, '')
        or f'model {name!r} does not serve {task.value}; set model to one of: '
        f'{", ".join(models_of(task))}'
    )


def renaming_of(former: str) -> str:
    """Return the new name of a former ``'MODEL/VARIANT'`` in words; empty if unknown."""
    for name, entry in models().items():
        if former and former == entry.former_name:
            return f'{former!r} is a model of its own: set model to {name}'
    return ''

"""Body Part Examined (0018,0015) as SNOMED CT: PS3.16 Annex L, table L-1, by the region of the body that each part is of.

Words are spelled as the table spells them. Left out are those of its words that have no code (parts of a fetus), and ARM and LEG,
which it no longer has since they were taken for a whole limb as well. Regions are those of HL7 Europe's imaging guide (and IHE's
MADO); a part that lies in none of them for certain has none.
"""

from collections.abc import Iterator
from types import MappingProxyType
from typing import NamedTuple

REGIONS = {
    "774007": "Structure of head and/or neck",
    "67734004": "Thoracic segment of trunk",
    "63337009": "Abdominopelvic segment of trunk",
    "53120007": "Upper limb structure",
    "61685007": "Lower limb structure",
    "737561001": "Structure of vertebral column and/or spinal cord",
    "80891009": "Heart structure",
    "113257007": "Structure of cardiovascular system",
    "76752008": "Breast structure",
    "38266002": "Entire body as a whole",
}
"""Anatomical regions (SNOMED CT) and their names."""
_HEAD_AND_NECK, _UPPER_TRUNK, _LOWER_TRUNK, _ARM, _LEG, _SPINE, _HEART, _VESSELS, _BREAST, _WHOLE = REGIONS

_TABLE = (
    (
        (_HEAD_AND_NECK,),
        """
        3RDVENTRICLE 49841001 Third ventricle
        4THVENTRICLE 35918002 Fourth ventricle
        BRAIN 12738006 Brain
        CEREBELLUM 113305005 Cerebellum
        CEREBHEMISPHERE 372073000 Cerebral hemisphere
        CHEEK 60819002 Cheek
        CHOROIDPLEXUS 80621003 Choroid plexus
        CORNEA 28726007 Cornea
        EAC 84301002 External auditory canal
        EAR 117590005 Ear
        ENDONASAL 53342003 Endo-nasal
        ENDONASOPHARYNYX 18962004 Endo-nasopharyngeal
        EYE 81745001 Eye
        EYELID 80243003 Eyelid
        FACE 89545001 Face
        FONTANEL 79361005 Fontanel of skull
        HEAD 69536005 Head
        HEADNECK 774007 Head and Neck
        HYPOPHARYNX 81502006 Hypopharynx
        IAC 361078006 Internal Auditory Canal
        INTRACRANIAL 1101003 Intracranial
        JAW 661005 Jaw region
        LARYNX 4596009 Larynx
        LATVENTRICLE 66720007 Lateral Ventricle
        MANDIBLE 91609006 Mandible
        MASTOID 59066005 Mastoid bone
        MAXILLA 70925003 Maxilla
        MOUTH 123851003 Mouth
        NASOPHARYNX 360955006 Nasopharynx
        NECK 45048000 Neck
        NOSE 45206002 Nose
        OPTICCANAL 55024004 Optic canal
        ORBIT 363654007 Orbital structure
        PARATHYROID 111002 Parathyroid
        PAROTID 45289007 Parotid gland
        PHARYNX 54066008 Pharynx
        PHARYNXLARYNX 312535008 Pharynx and larynx
        SCALP 41695006 Scalp
        SCLERA 18619003 Sclera
        SELLA 42575006 Sella turcica
        SKULL 89546000 Skull
        SUBMANDIBULAR 54019009 Submandibular gland
        SUPRACLAVICULAR 77621008 Supraclavicular region of neck
        THALAMUS 42695009 Thalamus
        THYROID 69748006 Thyroid
        TMJ 53620006 Temporomandibular joint
        TONGUE 21974007 Tongue
        ZYGOMA 13881006 Zygoma
        """,
    ),
    (
        (_HEAD_AND_NECK, _UPPER_TRUNK),
        """
        NECKCHEST 417437006 Neck and Chest
        TRACHEA 44567001 Trachea
        TRACHEABRONCHUS 110726009 Trachea and bronchus
        """,
    ),
    ((_HEAD_AND_NECK, _UPPER_TRUNK, _LOWER_TRUNK), "NECKCHESTABDOMEN 416152001 Neck, Chest and Abdomen"),
    ((_HEAD_AND_NECK, _UPPER_TRUNK, _LOWER_TRUNK), "NECKCHESTABDPELV 416319003 Neck, Chest, Abdomen and Pelvis"),
    (
        (_UPPER_TRUNK,),
        """
        BRONCHUS 955009 Bronchus
        CHEST 816094009 Chest
        ENDOESOPHAGEAL 32849002 Endo-esophageal
        ESOPHAGUS 32849002 Esophagus
        LUNG 39607008 Lung
        MEDIASTINUM 72410000 Mediastinum
        PARASTERNAL 91691001 Parasternal
        RIB 113197003 Rib
        SCJOINT 7844006 Sternoclavicular joint
        STERNUM 56873002 Sternum
        THORAX 816094009 Thorax
        THYMUS 9875009 Thymus
        """,
    ),
    ((_UPPER_TRUNK, _LOWER_TRUNK), "CHESTABDOMEN 416550000 Chest and Abdomen"),
    ((_UPPER_TRUNK, _LOWER_TRUNK), "CHESTABDPELVIS 416775004 Chest, Abdomen and Pelvis"),
    (
        (_LOWER_TRUNK,),
        """
        ABDOMEN 818981001 Abdomen
        ABDOMENPELVIS 818982008 Abdomen and Pelvis
        ADRENAL 23451007 Adrenal gland
        AMNIOTICFLUID 77012006 Amniotic fluid
        ANUSRECTUMSIGMD 110612005 Anus, rectum and sigmoid colon
        APPENDIX 66754008 Appendix
        ASCENDINGCOLON 9040008 Ascending colon
        BILEDUCT 28273000 Bile duct
        BILIARYTRACT 34707002 Biliary tract
        BLADDER 89837001 Bladder
        BLADDERURETHRA 110837003 Bladder and urethra
        CERVIX 71252005 Cervix
        COLON 71854001 Colon
        COMMONBILEDUCT 79741001 Common bile duct
        CULDESAC 53843000 Rectouterine pouch
        DESCENDINGCOLON 32622004 Descending colon
        DUODENUM 38848004 Duodenum
        ENDOMETRIUM 2739003 Endometrium
        ENDORECTAL 34402009 Endo-rectal
        ENDORENAL 64033007 Endo-renal
        ENDOURETERIC 87953007 Endo-ureteric
        ENDOURETHRAL 13648007 Endo-urethral
        ENDOVAGINAL 76784001 Endo-vaginal
        ENDOVESICAL 48367006 Endo-vesical
        EPIDIDYMIS 87644002 Epididymis
        EPIGASTRIC 27947004 Epigastric region
        FLANK 58602004 Flank
        GALLBLADDER 28231008 Gallbladder
        GESTSAC 300571009 Gestational sac
        HYPOGASTRIC 11708003 Hypogastric region
        ILEUM 34516001 Ileum
        ILIUM 22356005 Ilium
        INGUINAL 26893007 Inguinal region
        JEJUNUM 21306003 Jejunum
        KIDNEY 64033007 Kidney
        LARGEINTESTINE 14742008 Large intestine
        LHYPOCHONDRIAC 133945003 Left hypochondriac region
        LINGUINAL 85119005 Left inguinal region
        LIVER 10200004 Liver
        LLQ 68505006 Left lower quadrant of abdomen
        LLUMBAR 1017210004 Left lumbar region
        LUMBAR 52612000 Lumbar region
        LUQ 86367003 Left upper quadrant of abdomen
        MORISONSPOUCH 243977002 Morisons pouch
        OVARY 15497006 Ovary
        PANCBILEDUCT 110621006 Pancreatic duct and bile duct systems
        PANCREAS 15776009 Pancreas
        PANCREATICDUCT 69930009 Pancreatic duct
        PELVIS 816092008 Pelvis
        PENIS 18911002 Penis
        PERINEUM 38864007 Perineum
        PLACENTA 78067005 Placenta
        PROSTATE 41216001 Prostate
        RECTUM 34402009 Rectum
        RETROPERITONEUM 82849001 Retroperitoneum
        RHYPOCHONDRIAC 133946002 Right hypochondriac region
        RINGUINAL 37117007 Right inguinal region
        RLQ 48544008 Right lower quadrant of abdomen
        RLUMBAR 1017211000 Right lumbar region
        RUQ 50519007 Right upper quadrant of abdomen
        SCROTUM 20233005 Scrotum
        SEMVESICLE 64739004 Seminal vesicle
        SIGMOID 60184004 Sigmoid colon
        SIJOINT 39723000 Sacroiliac joint
        SMALLINTESTINE 30315005 Small intestine
        SPLEEN 78961009 Spleen
        STOMACH 69695003 Stomach
        SUPRAPUBIC 11708003 Suprapubic region
        TESTIS 40689003 Testis
        TRANSVERSECOLON 485005 Transverse colon
        UMBILICAL 90290004 Umbilical region
        UPRURINARYTRACT 431491007 Upper urinary tract
        URETER 87953007 Ureter
        URETHRA 13648007 Urethra
        UTERUS 35039007 Uterus
        VAGINA 76784001 Vagina
        VULVA 45292006 Vulva
        """,
    ),
    ((_LOWER_TRUNK, _LEG), "PELVISLOWEXTREMT 1231522001 Pelvis and lower extremities"),
    (
        (_ARM,),
        """
        ACJOINT 85856004 Acromioclavicular joint
        AXILLA 91470000 Axilla
        CLAVICLE 51299004 Clavicle
        ELBOW 16953009 Elbow joint
        FINGER 7569003 Finger
        FOREARM 14975008 Forearm
        HAND 85562004 Hand
        HUMERUS 85050009 Humerus
        RADIUS 62413002 Radius
        RADIUSULNA 110535000 Radius and ulna
        SCAPULA 79601000 Scapula
        SHOULDER 16982005 Shoulder
        THUMB 76505004 Thumb
        ULNA 23416004 Ulna
        UPPERARM 40983000 Upper arm
        UPPERLIMB 53120007 Upper limb
        WRIST 74670003 Wrist joint
        """,
    ),
    (
        (_LEG,),
        """
        ANKLE 70258002 Ankle joint
        CALCANEUS 80144004 Calcaneus
        CALF 53840002 Calf of leg
        FEMUR 71341001 Femur
        FIBULA 87342007 Fibula
        FOOT 56459004 Foot
        HIP 24136001 Hip joint
        KNEE 72696002 Knee
        LOWERLEG 30021000 Lower leg
        LOWERLIMB 61685007 Lower limb
        PATELLA 64234005 Patella
        POPLITEALFOSSA 32361000 Popliteal fossa
        SESAMOID 58742003 Sesamoid bones of foot
        THIGH 68367000 Thigh
        TIBIA 12611008 Tibia
        TIBIAFIBULA 110536004 Tibia and fibula
        TOE 29707007 Toe
        """,
    ),
    (
        (_SPINE,),
        """
        COCCYX 64688005 Coccyx
        CSPINE 122494005 Cervical spine
        CTSPINE 1217257000 Cervico-thoracic spine
        LSPINE 122496007 Lumbar spine
        LSSPINE 1217253001 Lumbo-sacral spine
        SPINALCORD 2748008 Spinal cord
        SPINE 421060004 Spine
        SSPINE 54735007 Sacrum
        TLSPINE 1217256009 Thoraco-lumbar spine
        TSPINE 122495006 Thoracic spine
        """,
    ),
    (
        (_HEART,),
        """
        CORONARYARTERY 41801008 Coronary artery
        CORONARYSINUS 90219004 Coronary sinus
        ENDOCARDIAC 80891009 Endo-cardiac
        HEART 80891009 Heart
        LATRIUM 82471001 Left atrium
        LVENTRICLE 87878005 Left ventricle
        RATRIUM 73829009 Right atrium
        RVENTRICLE 53085002 Right ventricle
        """,
    ),
    (
        (_VESSELS,),
        """
        ABDOMINALAORTA 7832008 Abdominal aorta
        ACA 60176003 Anterior cerebral artery
        ANTCARDIACV 194996006 Anterior cardiac vein
        ANTCOMMA 8012006 Anterior communicating artery
        ANTECUBITALV 128553008 Antecubital vein
        ANTSPINALA 17388009 Anterior spinal artery
        ANTTIBIALA 68053000 Anterior tibial artery
        AORTA 15825003 Aorta
        AORTICARCH 57034009 Aortic arch
        ARTERY 51114001 Artery
        ASCAORTA 54247002 Ascending aorta
        AXILLARYA 67937003 Axillary Artery
        AXILLARYV 68705008 Axillary vein
        AZYGOSVEIN 72107004 Azygos vein
        BASILARA 59011009 Basilar artery
        BRACHIALA 17137000 Brachial artery
        BRACHIALV 20115005 Brachial vein
        BULB 21479005 Carotid bulb
        CAROTID 69105007 Carotid Artery
        CCA 32062004 Common carotid artery
        CELIACA 57850000 Celiac artery
        CEPHALICV 20699002 Cephalic vein
        CEREBRALA 88556005 Cerebral artery
        CFA 181347005 Common femoral artery
        CFV 397363009 Common femoral vein
        CIRCLEOFWILLIS 11279006 Circle of Willis
        COMILIACA 73634005 Common iliac artery
        COMILIACV 46027005 Common iliac vein
        DESCAORTA 32672002 Descending aorta
        ECA 22286001 External carotid artery
        ENDOARTERIAL 51114001 Endo-arterial
        ENDOVASCULAR 59820001 Endo-vascular
        ENDOVENOUS 29092000 Endo-venous
        EXTILIACA 113269004 External iliac artery
        EXTILIACV 63507001 External iliac vein
        EXTJUGV 71585003 External jugular vein
        FACIALA 23074001 Facial artery
        FEMORALA 7657000 Femoral artery
        FEMORALV 83419000 Femoral vein
        GASTRICV 110568007 Gastric vein
        GENICULARA 128559007 Genicular artery
        GSV 60734001 Great saphenous vein
        HEPATICA 76015000 Hepatic artery
        HEPATICV 8993003 Hepatic vein
        ICA 86117002 Internal carotid artery
        ILIACA 10293006 Iliac artery
        ILIACV 244411005 Iliac vein
        INFMESA 33795007 Inferior mesenteric artery
        INFVENACAVA 64131007 Inferior vena cava
        INNOMINATEA 12691009 Innominate artery
        INNOMINATEV 8887007 Innominate vein
        INTILIACA 90024005 Internal iliac artery
        INTJUGULARV 12123001 Internal jugular vein
        INTMAMMARYA 69327007 Internal mammary artery
        LACRIMALA 59749000 Lacrimal artery
        LFEMORALA 113270003 Left femoral artery
        LHEPATICV 273202007 Left hepatic vein
        LINGUALA 113264009 Lingual artery
        LPORTALV 70253006 Left portal vein
        LPULMONARYA 50408007 Left pulmonary artery
        LSUPPULMONARYV 43863001 Superior left pulmonary vein
        LUMBARA 34635009 Lumbar artery
        LUMEN 91747007 Lumen of blood vessel
        MCA 17232002 Middle cerebral artery
        MESENTRICA 86570000 Mesenteric artery
        MESENTRICV 128583004 Mesenteric vein
        MIDHEPATICV 273099000 Middle hepatic vein
        OCCIPTALV 32114007 Occipital vein
        OCCPITALA 31145008 Occipital artery
        OPHTHALMICA 53549008 Ophthalmic artery
        PCA 70382005 Posterior cerebral artery
        PENILEA 282044005 Penile artery
        PERONEALA 8821006 Peroneal artery
        POPLITEALA 43899006 Popliteal artery
        POPLITEALV 56849005 Popliteal vein
        PORTALV 32764006 Portal vein
        POSCOMMA 43119007 Posterior communicating artery
        POSTIBIALA 13363002 Posterior tibial artery
        PROFFEMA 31677005 Profunda femoris artery
        PROFFEMV 23438002 Profunda femoris vein
        PULMONARYA 81040000 Pulmonary artery
        PULMONARYV 122972007 Pulmonary vein
        RADIALA 45631007 Radial artery
        RENALA 2841007 Renal artery
        RENALV 56400007 Renal vein
        RFEMORALA 69833005 Right femoral artery
        RHEPATICV 272998002 Right hepatic vein
        RPORTALV 73931004 Right portal vein
        RPULMONARYA 78480002 Right pulmonary artery
        RSUPPULMONARYV 8629005 Superior right pulmonary vein
        SAPHENOUSV 362072009 Saphenous vein
        SFA 181349008 Superficial femoral artery
        SFJ 128587003 Saphenofemoral junction
        SFV 397364003 Superficial femoral vein
        SMA 42258001 Superior mesenteric artery
        SPLENICA 22083002 Splenic artery
        SPLENICV 35819009 Splenic vein
        SUBCLAVIANA 36765005 Subclavian artery
        SUBCLAVIANV 9454009 Subclavian vein
        SUPTHYROIDA 72021004 Superior thyroid artery
        SVC 48345005 Superior vena cava
        THORACICAORTA 113262008 Thoracic aorta
        ULNARA 44984001 Ulnar artery
        UMBILICALA 50536004 Umbilical artery
        UMBILICALV 284639000 Umbilical vein
        VEIN 29092000 Vein
        VERTEBRALA 85234005 Vertebral artery
        """,
    ),
    ((_BREAST,), "BREAST 76752008 Breast"),
    ((_WHOLE,), "WHOLEBODY 38266002 Entire body"),
    (
        (),
        """
        BACK 77568009 Back
        BUTTOCK 46862004 Buttock
        EXTREMITY 66019005 Extremity
        GLUTEAL 46862004 Gluteal region
        JOINT 39352004 Joint
        PHANTOM 706342009 Phantom
        SUBCOSTAL 19695001 Subcostal
        """,
    ),
)


class BodyPart(NamedTuple):
    """A part in SNOMED CT: its code and DICOM's meaning of it, and the codes of its regions."""

    code: str
    meaning: str
    regions: tuple[str, ...]


def _parts() -> Iterator[tuple[str, BodyPart]]:
    for regions, lines in _TABLE:
        for line in lines.strip().splitlines():
            word, code, meaning = line.split(maxsplit=2)
            yield word, BodyPart(code, meaning, regions)


BODY_PARTS: MappingProxyType[str, BodyPart] = MappingProxyType(dict(_parts()))
"""Word of Body Part Examined → the part."""

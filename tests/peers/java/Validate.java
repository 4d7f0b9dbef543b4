import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport.IssueSeverity;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Validates each line of a file with the definitions of a version of FHIR and the canonicals in another file; tells by tabs. */
class Validate {
    public static void main(String[] given) throws Exception {
        var context = FhirVersionEnum.valueOf(given[0]).newContext();
        var validator = validator(context, Path.of(given[1]));
        var number = 0;
        for (var line : Files.readAllLines(Path.of(given[2]))) {
            for (var message : validator.validateWithResult(line).getMessages()) {
                System.out.println(told(number, message));
            }
            number++;
        }
        System.out.println("validated\t" + number);
    }

    static FhirValidator validator(FhirContext context, Path canonicals) throws Exception {
        var own = new PrePopulatedValidationSupport(context);
        for (var line : Files.readAllLines(canonicals)) {
            own.addResource(context.newJsonParser().parseResource(line));
        }
        var unknown = new UnknownCodeSystemWarningValidationSupport(context);
        unknown.setNonExistentCodeSystemSeverity(IssueSeverity.WARNING);
        var instances = new FhirInstanceValidator(new ValidationSupportChain(
            new DefaultProfileValidationSupport(context),
            own,
            new InMemoryTerminologyServerValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new SnapshotGeneratingValidationSupport(context),
            unknown));
        instances.setAnyExtensionsAllowed(false);
        instances.setCustomExtensionDomains("http://hl7.eu/fhir/imaging/"); // its package is on no registry
        instances.setErrorForUnknownProfiles(true);
        return context.newValidator().registerValidatorModule(instances);
    }

    static String told(int number, SingleValidationMessage message) {
        var text = message.getMessage().replaceAll("\\s+", " ");
        return String.join("\t", "" + number, message.getSeverity().getCode(), message.getLocationString(), text);
    }
}

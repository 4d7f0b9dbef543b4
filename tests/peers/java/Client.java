import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.SortOrderEnum;
import ca.uhn.fhir.rest.api.SortSpec;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.gclient.IQuery;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.ImagingStudy;
import org.hl7.fhir.r4.model.Patient;

/** HAPI's generic client on an Accord, with a bearer token; it asks for the CapabilityStatement first, of itself. */
class Client {
    static IGenericClient client;

    public static void main(String[] given) {
        client = FhirContext.forR4().newRestfulGenericClient(given[0]);
        client.setEncoding(EncodingEnum.valueOf(given[3]));
        client.registerInterceptor(new BearerTokenAuthInterceptor(given[1]));
        var theirs = ImagingStudy.PATIENT.hasChainedProperty(Patient.IDENTIFIER.exactly().code(given[2]));
        var found = studies().where(theirs).execute();
        var study = (ImagingStudy) found.getEntryFirstRep().getResource();
        var id = study.getIdElement().getIdPart();
        tell("chained", ids(found, "ImagingStudy"));
        tell("read", List.of(client.read().resource(ImagingStudy.class).withId(id).execute().getStartedElement().getValueAsString()));
        tell("found", ids(studies().where(ImagingStudy.MODALITY.exactly().code("CT")).count(100).execute(), "ImagingStudy"));
        tell("paged", paged(studies().count(7).execute()));
        tell("sorted", ids(studies().sort(new SortSpec("started", SortOrderEnum.DESC)).count(100).execute(), "ImagingStudy"));
        var including = studies().where(ImagingStudy.RES_ID.exactly().code(id)).include(ImagingStudy.INCLUDE_PATIENT).execute();
        tell("included", ids(including, "Patient"));
        tell("counted", List.of("" + studies().summaryMode(SummaryEnum.COUNT).execute().getTotal()));
        try {
            client.search().byUrl("ImagingStudy?colour=red").returnBundle(Bundle.class).execute();
        } catch (BaseServerResponseException refused) {
            tell("refused", List.of(refused.getMessage().replaceFirst("^HTTP 400[^:]*: ", "")));
        }
    }

    static IQuery<Bundle> studies() {
        return client.search().forResource(ImagingStudy.class).returnBundle(Bundle.class);
    }

    static List<String> paged(Bundle page) {
        var seen = new ArrayList<>(ids(page, "ImagingStudy"));
        while (page.getLink(Bundle.LINK_NEXT) != null) {
            page = client.loadPage().next(page).execute();
            seen.addAll(ids(page, "ImagingStudy"));
        }
        return seen;
    }

    static List<String> ids(Bundle page, String kind) {
        return page.getEntry().stream().map(entry -> entry.getResource().getIdElement())
            .filter(id -> id.getResourceType().equals(kind)).map(id -> id.getIdPart()).collect(Collectors.toList());
    }

    static void tell(String what, List<String> seen) {
        System.out.println(what + "\t" + String.join("\t", seen));
    }
}
